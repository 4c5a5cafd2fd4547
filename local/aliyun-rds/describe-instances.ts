// DescribeDBInstances: which instances there are, by page number or by token. Counts are numbers here.
import type { Catalogue, Instance } from "./catalogue.ts";
import { invalid, RequestParameters } from "./request-parameters.ts";

const equalityFilters: Readonly<Record<string, (instance: Instance) => string>> = {
  DBInstanceId: ({ instanceId }) => instanceId,
  DBInstanceStatus: ({ status }) => status,
  Engine: ({ engine }) => engine,
  EngineVersion: ({ engineVersion }) => engineVersion,
};

/** Pages of 1 to 100, 30 by default; `MaxResults` takes precedence over `PageSize` and `PageNumber`. */
export function describeInstances(values: ReadonlyMap<string, string>, catalogue: Catalogue) {
  const parameters = new RequestParameters(values, [
    "RegionId",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    ...Object.keys(equalityFilters),
  ]);
  const region = parameters.mandatory("RegionId");
  const found = catalogue
    .instances()
    .filter((instance) => !instance.deleted && instance.regionId === region)
    .filter((instance) =>
      Object.entries(equalityFilters).every(([name, of]) => {
        const wanted = parameters.text(name);
        return wanted === undefined || of(instance) === wanted;
      }),
    )
    .sort((left, right) => (left.instanceId < right.instanceId ? -1 : 1));
  const { start, pageSize, pageNumber } = readPage(parameters, found.length);
  const page = found.slice(start, start + pageSize);
  const next = start + page.length;
  return {
    Items: { DBInstance: page.map(describe) },
    ...(next < found.length ? { NextToken: tokenFor(next) } : {}),
    PageNumber: pageNumber,
    PageRecordCount: page.length,
    TotalRecordCount: found.length,
  };
}

function readPage(parameters: RequestParameters, count: number) {
  const maxResults = parameters.wholeNumber("MaxResults", 1, 100);
  const token = parameters.text("NextToken");
  if (maxResults !== undefined || token !== undefined) {
    const start = token === undefined ? 0 : readToken(token);
    if (!(start >= 0 && start < Math.max(1, count))) throw invalid("NextToken", "one that the last page gave");
    return { start, pageSize: maxResults ?? 30, pageNumber: 1 };
  }
  const pageSize = parameters.wholeNumber("PageSize", 1, 100) ?? 30;
  const pageNumber = parameters.wholeNumber("PageNumber", 1, 2 ** 31 - 1) ?? 1;
  return { start: (pageNumber - 1) * pageSize, pageSize, pageNumber };
}

function tokenFor(start: number): string {
  return Buffer.from(`instances from ${start}`).toString("base64url");
}

function readToken(token: string): number {
  const match = /^instances from (\d{1,9})$/.exec(Buffer.from(token, "base64url").toString());
  return match ? Number(match[1]) : -1;
}

function describe(instance: Instance) {
  return {
    ConnectionMode: "Standard",
    DBInstanceDescription: instance.description,
    DBInstanceId: instance.instanceId,
    DBInstanceNetType: "Intranet",
    DBInstanceStatus: instance.status,
    DBInstanceType: "Primary",
    Engine: instance.engine,
    EngineVersion: instance.engineVersion,
    InstanceNetworkType: "VPC",
    LockMode: "Unlock",
    PayType: "Postpaid",
    RegionId: instance.regionId,
  };
}
