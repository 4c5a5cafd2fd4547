// Writes a small synthesised app into a folder: one stack, and functions given as their source text.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

export type Resources = Readonly<Record<string, object>>;

export const region = "eu-central-1";
export const accountId = "111122223333";
const stackName = "small";

export interface SmallApp {
  readonly resources: Resources;
  /** Source of `index.mjs` by the function's logical id. */
  readonly functions?: Readonly<Record<string, string>>;
  readonly parameters?: Resources;
  readonly outputs?: Resources;
}

export function writeAssembly(folder: string, app: SmallApp): string {
  const functions = Object.entries(app.functions ?? {});
  for (const [id, source] of functions) {
    mkdirSync(path.join(folder, "functions", id), { recursive: true });
    writeFileSync(path.join(folder, "functions", id, "index.mjs"), source);
  }
  const own = functions.map(([id]) => [id, lambdaFunction(id)] as const);
  const resources = { Role: role, ...Object.fromEntries(own), ...app.resources };
  const template = { Parameters: app.parameters ?? {}, Resources: resources, Outputs: app.outputs ?? {} };
  const files = functions.map(([id]) => {
    const destinations = { here: { bucketName: "cdk-assets", objectKey: `${id}.zip` } };
    return [id, { source: { path: `functions/${id}`, packaging: "zip" }, destinations }] as const;
  });
  const write = (file: string, content: object) => writeFileSync(path.join(folder, file), JSON.stringify(content));
  write("stack.template.json", template);
  write("stack.assets.json", { version: "48.0.0", files: Object.fromEntries(files) });
  write("manifest.json", {
    version: "48.0.0",
    artifacts: {
      "small.assets": { type: "cdk:asset-manifest", properties: { file: "stack.assets.json" } },
      [stackName]: {
        type: "aws:cloudformation:stack",
        environment: `aws://${accountId}/${region}`,
        properties: { templateFile: "stack.template.json" },
        dependencies: ["small.assets"],
      },
    },
  });
  return folder;
}

const role = {
  Type: "AWS::IAM::Role",
  Properties: {
    AssumeRolePolicyDocument: {
      Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "lambda.amazonaws.com" } }],
    },
    ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
  },
};

function lambdaFunction(id: string): object {
  return {
    Type: "AWS::Lambda::Function",
    Properties: {
      Code: { S3Bucket: "cdk-assets", S3Key: `${id}.zip` },
      FunctionName: id.toLowerCase(),
      Handler: "index.handler",
      Runtime: "nodejs24.x",
      Role: { "Fn::GetAtt": ["Role", "Arn"] },
      Timeout: 60,
    },
  };
}

export const ref = (id: string) => ({ Ref: id });

export function invocationUri(functionId: string, streaming = false): object {
  const [version, call] = streaming ? ["2021-11-15", "response-streaming-invocations"] : ["2015-03-31", "invocations"];
  const arn = `\${${functionId}.Arn}`;
  return { "Fn::Sub": `arn:aws:apigateway:\${AWS::Region}:lambda:path/${version}/functions/${arn}/${call}` };
}

/** Lets API Gateway call the function; `what` is what comes after the API's id in the ARN. */
export function permission(functionId: string, what = "*"): object {
  return {
    Type: "AWS::Lambda::Permission",
    Properties: {
      Action: "lambda:InvokeFunction",
      FunctionName: { "Fn::GetAtt": [functionId, "Arn"] },
      Principal: "apigateway.amazonaws.com",
      SourceArn: { "Fn::Sub": `arn:aws:execute-api:\${AWS::Region}:\${AWS::AccountId}:\${Api}/${what}` },
    },
  };
}

/** `parent` undefined: below the root. */
export function resource(pathPart: string, parent?: string): object {
  const ParentId = parent === undefined ? { "Fn::GetAtt": ["Api", "RootResourceId"] } : ref(parent);
  return { Type: "AWS::ApiGateway::Resource", Properties: { RestApiId: ref("Api"), ParentId, PathPart: pathPart } };
}

/** `resourceId` undefined: the root's. */
export function method(resourceId: string | undefined, httpMethod: string, properties: object): object {
  const ResourceId = resourceId === undefined ? { "Fn::GetAtt": ["Api", "RootResourceId"] } : ref(resourceId);
  const basis = { RestApiId: ref("Api"), ResourceId, HttpMethod: httpMethod, AuthorizationType: "NONE" };
  return { Type: "AWS::ApiGateway::Method", Properties: { ...basis, ...properties } };
}

export function proxyTo(functionId: string, more: object = {}): object {
  const Integration = { Type: "AWS_PROXY", IntegrationHttpMethod: "POST", Uri: invocationUri(functionId), ...more };
  return { Integration };
}

export function api(properties: object = {}): Resources {
  return {
    Api: { Type: "AWS::ApiGateway::RestApi", Properties: { Name: "small", ...properties } },
    Deployment: { Type: "AWS::ApiGateway::Deployment", Properties: { RestApiId: ref("Api") } },
    Stage: {
      Type: "AWS::ApiGateway::Stage",
      Properties: { RestApiId: ref("Api"), DeploymentId: ref("Deployment"), StageName: "live" },
    },
  };
}

export function gatewayResponse(type: string, properties: object): object {
  return {
    Type: "AWS::ApiGateway::GatewayResponse",
    Properties: { RestApiId: ref("Api"), ResponseType: type, ...properties },
  };
}
