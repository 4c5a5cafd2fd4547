// Who may sign in: a user pool with a group per role, pages to sign in at, a client for people and one for machines.
import { Aws, Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import {
  AccountRecovery,
  CfnUserPoolUser,
  CfnUserPoolUserToGroupAttachment,
  FeaturePlan,
  Mfa,
  OAuthScope,
  ResourceServerScope,
  UserPool,
  type UserPoolClient,
  type UserPoolDomain,
  type UserPoolGroup,
  type UserPoolResourceServer,
} from "aws-cdk-lib/aws-cognito";
import { Construct } from "constructs";

export interface SignInProps {
  readonly stage: string;
  readonly mfa: "optional" | "required";
  /** Gets an invitation as the first admin. */
  readonly firstAdminEmail: string | undefined;
  /** Where the pages may send people back to. */
  readonly callbackUrls: readonly string[];
  readonly protectData: boolean;
}

/** The roles of lambdas/shared/routes.ts, lowest first; a test compares the two. */
export const groupNames = ["viewer", "operator", "admin"] as const;

/** Scopes of machines: `causeway/operator`. */
const resourceServerId = "causeway";

/** Machines do the operators' daily work; nobody's forgotten script shall be an admin. */
const machineRoles = ["viewer", "operator"] as const;

/** Where `npx causeway login` waits for the browser: one of these ports of the own machine. */
export const commandLineCallbacks = ["http://localhost:8917/callback", "http://localhost:8918/callback"] as const;

const accessTokenAge = Duration.hours(1);
/** A working day: after it, people sign in again. */
const refreshTokenAge = Duration.hours(12);
const invitationAge = Duration.days(7);
const shortestPassword = 14;

export class SignIn extends Construct {
  readonly pool: UserPool;
  readonly people: UserPoolClient;
  readonly machine: UserPoolClient;
  readonly #domain: UserPoolDomain;

  constructor(scope: Construct, id: string, props: SignInProps) {
    super(scope, id);
    this.pool = new UserPool(this, "UserPool", {
      userPoolName: `causeway-${props.stage}`,
      selfSignUpEnabled: false,
      // Names are what the audit shows, so people have names of their own; they may sign in by their address, too.
      signInAliases: { username: true, email: true },
      autoVerify: { email: true },
      passwordPolicy: {
        minLength: shortestPassword,
        requireLowercase: true,
        requireUppercase: true,
        requireDigits: true,
        requireSymbols: true,
        tempPasswordValidity: invitationAge,
        passwordHistorySize: 5,
      },
      mfa: props.mfa === "required" ? Mfa.REQUIRED : Mfa.OPTIONAL,
      mfaSecondFactor: { sms: false, otp: true },
      accountRecovery: AccountRecovery.EMAIL_ONLY,
      featurePlan: FeaturePlan.ESSENTIALS,
      deletionProtection: props.protectData,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const groups = groupNames.map((groupName, precedence) =>
      this.pool.addGroup(`Group${groupName}`, { groupName, description: `The role ${groupName}`, precedence }),
    );
    this.#domain = this.pool.addDomain("Domain", {
      // Unique in the region: the account's number makes it so.
      cognitoDomain: { domainPrefix: `causeway-${props.stage}-${Aws.ACCOUNT_ID}` },
    });
    const scopes = groupNames.map(
      (role) => new ResourceServerScope({ scopeName: role, scopeDescription: `The role ${role}` }),
    );
    const server = this.pool.addResourceServer("Scopes", { identifier: resourceServerId, scopes });
    this.people = this.#peopleClient(props.callbackUrls);
    this.machine = this.#machineClient(server, scopes);
    if (props.firstAdminEmail !== undefined) this.#inviteFirstAdmin(props.firstAdminEmail, groups);
    acknowledge(this.pool, props.mfa);
  }

  /** What `iss` of its tokens is. */
  get issuer(): string {
    return this.pool.userPoolProviderUrl;
  }

  /** Base of the pages, without a slash at the end. */
  get pagesUrl(): string {
    return `https://${this.#domain.domainName}.auth.${Stack.of(this).region}.amazoncognito.com`;
  }

  /** Public, with code and PKCE: for Swagger UI and the command line, neither of which can keep a secret. */
  #peopleClient(callbackUrls: readonly string[]): UserPoolClient {
    return this.pool.addClient("People", {
      userPoolClientName: "people",
      generateSecret: false,
      authFlows: {},
      oAuth: {
        flows: { authorizationCodeGrant: true },
        scopes: [OAuthScope.OPENID, OAuthScope.EMAIL],
        callbackUrls: [...callbackUrls, ...commandLineCallbacks],
      },
      accessTokenValidity: accessTokenAge,
      idTokenValidity: accessTokenAge,
      refreshTokenValidity: refreshTokenAge,
      enableTokenRevocation: true,
      preventUserExistenceErrors: true,
    });
  }

  #machineClient(server: UserPoolResourceServer, scopes: readonly ResourceServerScope[]): UserPoolClient {
    const allowed = scopes.filter(({ scopeName }) => machineRoles.some((role) => role === scopeName));
    return this.pool.addClient("Machine", {
      userPoolClientName: "machine",
      generateSecret: true,
      authFlows: {},
      oAuth: {
        flows: { clientCredentials: true },
        scopes: allowed.map((scope) => OAuthScope.resourceServer(server, scope)),
      },
      accessTokenValidity: accessTokenAge,
      enableTokenRevocation: true,
    });
  }

  #inviteFirstAdmin(email: string, groups: readonly UserPoolGroup[]): void {
    const user = new CfnUserPoolUser(this, "FirstAdmin", {
      userPoolId: this.pool.userPoolId,
      // With addresses as aliases, a user's name must not look like one.
      username: "first-admin",
      desiredDeliveryMediums: ["EMAIL"],
      userAttributes: [
        { name: "email", value: email },
        { name: "email_verified", value: "true" },
      ],
    });
    const attachment = new CfnUserPoolUserToGroupAttachment(this, "FirstAdminIsAdmin", {
      userPoolId: this.pool.userPoolId,
      username: "first-admin",
      groupName: "admin",
    });
    attachment.node.addDependency(user, ...groups);
  }
}

function acknowledge(pool: UserPool, mfa: SignInProps["mfa"]): void {
  Validations.of(pool).acknowledge(
    ...(mfa === "required"
      ? []
      : [
          {
            id: "AwsSolutions-COG2",
            reason: "The stage leaves a second factor to each person: console.mfa is optional.",
          },
        ]),
    {
      id: "AwsSolutions-COG3",
      reason:
        "Threat protection needs Cognito's Plus plan, which is paid by user; nobody signs up here, and requests are throttled.",
    },
    {
      id: "AwsSolutions-COG8",
      reason: "The Plus plan is paid by user for what a dozen invited operators do not need.",
    },
  );
}
