// The relay on Lambda Managed Instances, where a stage asks for it: many streams in one environment, on EC2 of the account.
import { Validations } from "aws-cdk-lib";
import { type ISubnet, SecurityGroup, Subnet } from "aws-cdk-lib/aws-ec2";
import { Architecture, CapacityProvider } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import type { ServiceFunction } from "../constructs/service-function.ts";
import type { RelayParts } from "./relay-functions.ts";

/** Lambda keeps three environments, one per zone, also while nobody calls: they are what idling costs. */
const leastEnvironments = 3;

/** GiB for each vCPU; 2, 4 and 8 are what Lambda knows. */
const memoryPerVCpu = 4;

/** Nothing without the setting: Lambda as usual. */
export function addInstances({ scope, settings }: RelayParts, relay: ServiceFunction): void {
  const { managedInstances } = settings.relay;
  if (managedInstances === undefined) return;
  const { subnetIds, securityGroupIds, streamsPerEnvironment, mostVCpus } = managedInstances;
  const provider = new CapacityProvider(scope, "RelayInstances", {
    subnets: subnetIds.map((id, at) => subnetOf(scope, `RelaySubnet${at}`, id)),
    securityGroups: securityGroupIds.map((id, at) => SecurityGroup.fromSecurityGroupId(scope, `RelayGroup${at}`, id)),
    architectures: [Architecture.ARM_64],
    maxVCpuCount: mostVCpus,
  });
  provider.addFunction(relay.function, {
    perExecutionEnvironmentMaxConcurrency: streamsPerEnvironment,
    executionEnvironmentMemoryGiBPerVCpu: memoryPerVCpu,
    latestPublishedScalingConfig: { minExecutionEnvironments: leastEnvironments },
  });
  Validations.of(provider).acknowledge({
    id: "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator]",
    reason: "AWS's own policy for the role by which Lambda runs the instances; it follows what Lambda needs.",
  });
}

/** By its id alone: nothing is looked up at synthesis, and its routes are its owner's matter. */
function subnetOf(scope: Construct, constructId: string, subnetId: string): ISubnet {
  const subnet = Subnet.fromSubnetId(scope, constructId, subnetId);
  Validations.of(subnet).acknowledge({
    id: "Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId",
    reason: "The route table is not looked at; the subnet needs a way to the internet, or to the providers.",
  });
  return subnet;
}
