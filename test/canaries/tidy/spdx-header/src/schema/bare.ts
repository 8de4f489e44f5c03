export const must = "Must complain"
