// A small app with a user pool as CDK writes it: groups, a client for people, one for machines, and an API to come back to.
import { api, method, ref, type SmallApp } from "../api-gateway/small-assembly.ts";

const inPool = (type: string, properties: object) => ({
  Type: `AWS::Cognito::${type}`,
  Properties: { UserPoolId: ref("Pool"), ...properties },
});

const apiAddress = (rest: string) => ({
  "Fn::Join": [
    "",
    [
      ...["https://", ref("Api"), ".execute-api.", { Ref: "AWS::Region" }, ".", { Ref: "AWS::URLSuffix" }],
      ...["/", ref("Stage"), rest],
    ],
  ],
});

export const cliCallback = "http://localhost:8976/callback";

export const poolApp: SmallApp = {
  parameters: {
    CognitoEndpoint: { Type: "String", Default: "https://cognito-idp.eu-central-1.amazonaws.com" },
    SignInUrl: { Type: "String", Default: "https://small.auth.eu-central-1.amazoncognito.com" },
  },
  resources: {
    ...api(),
    Root: method(undefined, "GET", {
      Integration: {
        Type: "MOCK",
        RequestTemplates: { "application/json": "{ statusCode: 200 }" },
        IntegrationResponses: [{ StatusCode: "200", ResponseTemplates: { "application/json": '{"arrived":true}' } }],
      },
    }),
    Pool: { Type: "AWS::Cognito::UserPool", Properties: { UserPoolName: "people", MfaConfiguration: "OPTIONAL" } },
    Domain: inPool("UserPoolDomain", { Domain: "small" }),
    Server: inPool("UserPoolResourceServer", {
      Identifier: "house",
      Scopes: [{ ScopeName: "viewer" }, { ScopeName: "operator" }],
    }),
    Operators: inPool("UserPoolGroup", { GroupName: "operator", Precedence: 2 }),
    Admins: inPool("UserPoolGroup", { GroupName: "admin", Precedence: 1 }),
    First: inPool("UserPoolUser", {
      Username: "ann@example.com",
      UserAttributes: [{ Name: "email", Value: "ann@example.com" }],
    }),
    FirstIsAdmin: inPool("UserPoolUserToGroupAttachment", { Username: ref("First"), GroupName: ref("Admins") }),
    FirstIsOperator: inPool("UserPoolUserToGroupAttachment", { Username: ref("First"), GroupName: ref("Operators") }),
    People: inPool("UserPoolClient", {
      ClientName: "The console",
      AllowedOAuthFlowsUserPoolClient: true,
      AllowedOAuthFlows: ["code"],
      AllowedOAuthScopes: ["openid", "email"],
      CallbackURLs: [apiAddress("/docs/oauth2-redirect.html"), apiAddress("/"), cliCallback],
      LogoutURLs: [apiAddress("/")],
      AccessTokenValidity: 30,
      IdTokenValidity: 30,
      RefreshTokenValidity: 7,
      TokenValidityUnits: { AccessToken: "minutes", IdToken: "minutes", RefreshToken: "days" },
    }),
    Machines: inPool("UserPoolClient", {
      GenerateSecret: true,
      AllowedOAuthFlowsUserPoolClient: true,
      AllowedOAuthFlows: ["client_credentials"],
      AllowedOAuthScopes: ["house/viewer", "house/operator"],
    }),
  },
  outputs: {
    PoolId: { Value: ref("Pool") },
    ProviderUrl: { Value: { "Fn::GetAtt": ["Pool", "ProviderURL"] } },
    ProviderName: { Value: { "Fn::GetAtt": ["Pool", "ProviderName"] } },
    PoolArn: { Value: { "Fn::GetAtt": ["Pool", "Arn"] } },
    PeopleId: { Value: ref("People") },
    MachinesId: { Value: ref("Machines") },
    Names: { Value: { "Fn::Join": [" ", [ref("Domain"), ref("Server"), ref("Admins"), ref("First")]] } },
    Issuer: { Value: { "Fn::Join": ["/", [ref("CognitoEndpoint"), ref("Pool")]] } },
    SignIn: { Value: ref("SignInUrl") },
  },
};
