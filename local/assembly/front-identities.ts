// What API Gateway's and Cognito's resources are called. Their ids follow from stack and logical id, the same at every boot.
// Source: the "Return values" section of each type in the AWS CloudFormation template reference.
import { apiIdFor, resourceIdFor, rootResourceIdFor } from "../api-gateway/api-ids.ts";
import { clientIdFor, poolIdFor } from "../cognito/pool-ids.ts";
import type { NamingRule } from "./resource-identity.ts";

const longest = 255;

/** Ref is an id; so is the attribute, which each type calls otherwise. */
const byId = (attribute: string): NamingRule => ({
  longest,
  identify: (_place, name) => {
    const id = resourceIdFor(name);
    return { arn: undefined, ref: id, attributes: { [attribute]: id } };
  },
});

/** Ref is the property, or a name made up for it. */
const byName = (property: string): NamingRule => ({
  property,
  longest,
  identify: (_place, name) => ({ arn: undefined, ref: name, attributes: {} }),
});

export const frontNamingRules: Readonly<Record<string, NamingRule>> = {
  "AWS::ApiGateway::RestApi": {
    longest,
    identify(_place, name) {
      const id = apiIdFor(name);
      return { arn: undefined, ref: id, attributes: { RestApiId: id, RootResourceId: rootResourceIdFor(name) } };
    },
  },
  "AWS::ApiGateway::Resource": byId("ResourceId"),
  "AWS::ApiGateway::Method": byId("Id"),
  "AWS::ApiGateway::Deployment": byId("DeploymentId"),
  "AWS::ApiGateway::Stage": byName("StageName"),
  "AWS::ApiGateway::Authorizer": byId("AuthorizerId"),
  "AWS::ApiGateway::GatewayResponse": byId("Id"),
  "AWS::ApiGateway::Model": byName("Name"),
  "AWS::ApiGateway::RequestValidator": byId("RequestValidatorId"),
  "AWS::ApiGateway::Account": byId("Id"),
  "AWS::ApiGateway::UsagePlan": byId("Id"),
  "AWS::ApiGateway::UsagePlanKey": byId("Id"),
  "AWS::ApiGateway::ApiKey": byId("APIKeyId"),
  "AWS::Cognito::UserPool": {
    longest,
    identify(place, name) {
      const poolId = poolIdFor(place.region, name);
      const arn = `arn:${place.partition}:cognito-idp:${place.region}:${place.accountId}:userpool/${poolId}`;
      const providerName = `cognito-idp.${place.region}.${place.urlSuffix}/${poolId}`;
      const url = place.cognitoUrl === undefined ? `https://${providerName}` : `${place.cognitoUrl}/${poolId}`;
      const attributes = { Arn: arn, ProviderName: providerName, ProviderURL: url, UserPoolId: poolId };
      return { arn, ref: poolId, attributes };
    },
  },
  "AWS::Cognito::UserPoolClient": {
    longest,
    // ClientSecret is missing on purpose: it is random, and no template shall hold it.
    identify(_place, name) {
      const clientId = clientIdFor(name);
      return { arn: undefined, ref: clientId, attributes: { ClientId: clientId, Name: name } };
    },
  },
  "AWS::Cognito::UserPoolDomain": byName("Domain"),
  "AWS::Cognito::UserPoolGroup": byName("GroupName"),
  "AWS::Cognito::UserPoolResourceServer": byName("Identifier"),
  "AWS::Cognito::UserPoolUser": byName("Username"),
  "AWS::Cognito::UserPoolUserToGroupAttachment": byId("Id"),
  "AWS::Cognito::ManagedLoginBranding": byId("ManagedLoginBrandingId"),
};
