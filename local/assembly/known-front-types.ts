// Which properties of API Gateway's and Cognito's types the local cloud acts on.
import type { KnownType } from "./known-types.ts";

/** Nothing limits, brands or logs on a laptop. */
export const inertFrontTypes: readonly string[] = [
  "AWS::ApiGateway::Account",
  "AWS::ApiGateway::Model",
  "AWS::ApiGateway::UsagePlan",
  "AWS::ApiGateway::UsagePlanKey",
  "AWS::ApiGateway::ApiKey",
  "AWS::Cognito::ManagedLoginBranding",
];

export const knownFrontTypes: Readonly<Record<string, KnownType>> = {
  "AWS::ApiGateway::RestApi": {
    honoured: ["BinaryMediaTypes", "Body", "BodyS3Location", "EndpointConfiguration", "Name"],
    inert: [...["ApiKeySourceType", "Description", "EndpointAccessMode", "FailOnWarnings", "SecurityPolicy", "Tags"]],
  },
  "AWS::ApiGateway::Resource": { honoured: ["ParentId", "PathPart", "RestApiId"], inert: [] },
  "AWS::ApiGateway::Method": {
    honoured: [
      ...["ApiKeyRequired", "AuthorizationType", "AuthorizerId", "HttpMethod", "Integration", "RequestParameters"],
      ...["RequestValidatorId", "ResourceId", "RestApiId"],
    ],
    inert: ["MethodResponses", "OperationName", "RequestModels"],
  },
  "AWS::ApiGateway::Deployment": { honoured: ["RestApiId"], inert: ["Description"] },
  "AWS::ApiGateway::Stage": {
    honoured: ["DeploymentId", "RestApiId", "StageName", "Variables"],
    // Throttling, caches and logs of the stage: a laptop's calls are few, and their answers are seen where they are made.
    inert: [
      ...["AccessLogSetting", "CacheClusterEnabled", "CacheClusterSize", "Description", "DocumentationVersion"],
      ...["MethodSettings", "Tags", "TracingEnabled"],
    ],
  },
  "AWS::ApiGateway::Authorizer": {
    honoured: ["AuthorizerResultTtlInSeconds", "AuthorizerUri", "IdentitySource", "Name", "RestApiId", "Type"],
    inert: ["AuthType"],
  },
  "AWS::ApiGateway::GatewayResponse": {
    honoured: ["ResponseParameters", "ResponseTemplates", "ResponseType", "RestApiId", "StatusCode"],
    inert: [],
  },
  "AWS::ApiGateway::RequestValidator": {
    honoured: ["RestApiId", "ValidateRequestBody", "ValidateRequestParameters"],
    inert: ["Name"],
  },
  "AWS::Cognito::UserPool": {
    honoured: [],
    // There are no passwords, messages or second factors here: whoever sits at the machine chooses a user.
    inert: [
      ...["AccountRecoverySetting", "AdminCreateUserConfig", "AliasAttributes", "AutoVerifiedAttributes"],
      ...["DeletionProtection", "EmailConfiguration", "EmailVerificationMessage", "EmailVerificationSubject"],
      ...["EmailAuthenticationMessage", "EmailAuthenticationSubject", "EnabledMfas", "MfaConfiguration", "Policies"],
      ...["Schema", "SmsAuthenticationMessage", "SmsConfiguration", "SmsVerificationMessage", "UserPoolAddOns"],
      ...["UserPoolName", "UserPoolTags", "UserPoolTier", "UserAttributeUpdateSettings", "UsernameAttributes"],
      ...["UsernameConfiguration", "VerificationMessageTemplate"],
    ],
  },
  "AWS::Cognito::UserPoolClient": {
    honoured: [
      ...["AccessTokenValidity", "AllowedOAuthFlows", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthScopes"],
      ...["CallbackURLs", "ClientName", "DefaultRedirectURI", "GenerateSecret", "IdTokenValidity", "LogoutURLs"],
      ...["RefreshTokenValidity", "TokenValidityUnits", "UserPoolId"],
    ],
    inert: [
      ...["AuthSessionValidity", "EnableTokenRevocation", "ExplicitAuthFlows", "PreventUserExistenceErrors"],
      ...["ReadAttributes", "SupportedIdentityProviders", "WriteAttributes"],
    ],
  },
  // The local issuer's own address stands in for it.
  "AWS::Cognito::UserPoolDomain": { honoured: ["UserPoolId"], inert: ["Domain", "ManagedLoginVersion"] },
  "AWS::Cognito::UserPoolGroup": { honoured: ["GroupName", "Precedence", "UserPoolId"], inert: ["Description"] },
  "AWS::Cognito::UserPoolResourceServer": { honoured: ["Identifier", "Scopes", "UserPoolId"], inert: ["Name"] },
  "AWS::Cognito::UserPoolUser": {
    honoured: ["UserAttributes", "Username", "UserPoolId"],
    inert: ["DesiredDeliveryMediums", "ForceAliasCreation", "MessageAction"],
  },
  "AWS::Cognito::UserPoolUserToGroupAttachment": { honoured: ["GroupName", "Username", "UserPoolId"], inert: [] },
};
