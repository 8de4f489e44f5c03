export declare const size: number
