// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { mapRisk } from './risk-map.ts'
import { containers, diagnostic, recordIds, resource, row } from './shapes.ts'

/** Identity Protection: Graph `riskyUser`, `riskyServicePrincipal`, `riskDetection`, `servicePrincipalRiskDetection`. */
export const entraRisk: Connector = {
  type: 'entra.risk',
  title: 'Microsoft Entra ID Protection',
  family: 'entra',
  shapes: [
    ...diagnostic('RiskyUsers', 'UserRiskEvents', 'RiskyServicePrincipals', 'ServicePrincipalRiskEvents'),
    ...resource('riskEventType', 'riskState', 'detectionTimingType', 'detectedDateTime'),
    ...resource('riskLastUpdatedDateTime', 'riskState', 'riskLevel', 'userPrincipalName'),
    ...resource('riskLastUpdatedDateTime', 'riskState', 'riskLevel', 'servicePrincipalType'),
    row('AADRiskyUsers', 'AADUserRiskEvents', 'AADRiskyServicePrincipals', 'AADServicePrincipalRiskEvents'),
  ],
  containers,
  ids: recordIds,
  map: mapRisk,
}
