/** Every method of the contract, as an unauthenticated client would call it. */
import { adminPb, enrolPb, queryPb, reportPb, witnessPb } from "@lifeline/wire";

const SERVICES = [
  reportPb.ReportService,
  enrolPb.EnrolService,
  queryPb.QueryService,
  adminPb.AdminService,
  witnessPb.WitnessService,
];

/** `/lifeline.v1.Service/Method`, of all services. */
export const METHOD_PATHS: readonly string[] = SERVICES.flatMap((service) =>
  service.methods.map((method) => `/${service.typeName}/${method.name}`),
);

export const WITNESS = "/lifeline.v1.WitnessService/Witness";
export const ENROL = "/lifeline.v1.EnrolService/Enrol";
export const STREAM = "/lifeline.v1.ReportService/Stream";
