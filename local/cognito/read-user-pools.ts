// Reads user pools, their clients, groups and users out of the templates' resources, and adds one local user for each group.
import { Properties } from "../assembly/properties.ts";
import type { Resource } from "../assembly/resolve-assembly.ts";
import { clientIdFor, poolIdFor, subjectFor } from "./pool-ids.ts";
import type { PoolClient, PoolUser, UserPool } from "./user-pool.ts";

/** Cognito's own defaults, and what its units are in seconds. */
const defaults = { accessSeconds: 3600, idSeconds: 3600, refreshSeconds: 30 * 86_400 };
const unitSeconds: Readonly<Record<string, number>> = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 };

/** `callbackVariants` gives further spellings of an address that mean the same place here. */
export function readUserPools(
  resources: readonly Resource[],
  region: string,
  callbackVariants: (url: string) => readonly string[],
): UserPool[] {
  return ofType(resources, "AWS::Cognito::UserPool").map((pool): UserPool => {
    const poolId = poolIdFor(region, pool.physicalName);
    const own = (type: string) =>
      ofType(resources, type).filter((resource) => Properties.of(resource).text("UserPoolId") === poolId);
    return {
      poolId,
      name: pool.constructPath,
      users: readUsers(poolId, own),
      clients: own("AWS::Cognito::UserPoolClient").map((client) => readClient(client, poolId, callbackVariants)),
      customScopes: new Set(own("AWS::Cognito::UserPoolResourceServer").flatMap(readScopes)),
    };
  });
}

function readClient(
  resource: Resource,
  poolId: string,
  callbackVariants: (url: string) => readonly string[],
): PoolClient {
  const properties = Properties.of(resource);
  const units = properties.object("TokenValidityUnits");
  const seconds = (validity: string, unit: string, usualUnit: string, usualSeconds: number) => {
    const value = properties.number(validity);
    return value === undefined ? usualSeconds : value * (unitSeconds[units.optionalText(unit) ?? usualUnit] ?? 1);
  };
  return {
    clientId: clientIdFor(resource.physicalName),
    poolId,
    name: properties.optionalText("ClientName") ?? resource.constructPath,
    flows: new Set(properties.flag("AllowedOAuthFlowsUserPoolClient") ? properties.texts("AllowedOAuthFlows") : []),
    scopes: properties.texts("AllowedOAuthScopes"),
    callbackUrls: properties.texts("CallbackURLs").flatMap((url) => [url, ...callbackVariants(url)]),
    logoutUrls: properties.texts("LogoutURLs").flatMap((url) => [url, ...callbackVariants(url)]),
    defaultRedirectUri: properties.optionalText("DefaultRedirectURI"),
    hasSecret: properties.flag("GenerateSecret"),
    accessTokenSeconds: seconds("AccessTokenValidity", "AccessToken", "hours", defaults.accessSeconds),
    idTokenSeconds: seconds("IdTokenValidity", "IdToken", "hours", defaults.idSeconds),
    refreshTokenSeconds: seconds("RefreshTokenValidity", "RefreshToken", "days", defaults.refreshSeconds),
  };
}

function readScopes(resource: Resource): string[] {
  const properties = Properties.of(resource);
  const identifier = properties.text("Identifier");
  return properties.objects("Scopes").map((scope) => `${identifier}/${scope.text("ScopeName")}`);
}

/** The template's own users, and for each group one that is called like it: nobody has to be invited on a laptop. */
function readUsers(poolId: string, own: (type: string) => Resource[]): PoolUser[] {
  const groups = own("AWS::Cognito::UserPoolGroup")
    .map((resource) => Properties.of(resource))
    .map((properties) => ({ name: properties.text("GroupName"), precedence: properties.number("Precedence") ?? 0 }))
    .sort((left, right) => left.precedence - right.precedence);
  const members = own("AWS::Cognito::UserPoolUserToGroupAttachment").map((resource) => {
    const properties = Properties.of(resource);
    return { username: properties.text("Username"), group: properties.text("GroupName") };
  });
  const invited = own("AWS::Cognito::UserPoolUser").map((resource): PoolUser => {
    const properties = Properties.of(resource);
    const username = properties.optionalText("Username") ?? resource.physicalName;
    const attributes = properties.objects("UserAttributes");
    const email = attributes.find((each) => each.text("Name") === "email")?.optionalText("Value");
    const isMember = ({ name }: { name: string }) =>
      members.some((member) => member.username === username && member.group === name);
    return {
      username,
      sub: subjectFor(poolId, username),
      email: email ?? (username.includes("@") ? username : `${username}@example.com`),
      groups: groups.filter(isMember).map(({ name }) => name),
    };
  });
  const taken = new Set(invited.map(({ username }) => username));
  const local = groups
    .filter(({ name }) => !taken.has(name))
    .map(({ name }) => ({
      username: name,
      sub: subjectFor(poolId, name),
      email: `${name}@example.com`,
      groups: [name],
    }));
  return [...local, ...invited];
}

function ofType(resources: readonly Resource[], type: string): Resource[] {
  return resources.filter((resource) => resource.type === type);
}
