// A channel: where messages go. It gives them its form, keeps its limits, and names what went wrong.
import type { Message } from "../messages/message.ts";
import type { ChannelPace } from "../plan-messages.ts";

/** A channel of the stage's settings; addresses and keys are not among them. */
export interface ChannelSettings {
  readonly name: string;
  readonly type: string;
  /** wecom */
  readonly format?: "markdown" | "text" | undefined;
  /** email */
  readonly from?: string | undefined;
  readonly to?: readonly string[] | undefined;
}

/** Where a channel is, and what proves who calls it: read from Secrets Manager. */
export interface ChannelAddress {
  readonly url: string;
  /** webhook: the key of the signature. */
  readonly secret?: string | undefined;
}

export interface ChannelTools {
  /** At first use and when it is old. Throws `SecretMissing`. */
  readonly readAddress: (channelName: string) => Promise<ChannelAddress>;
  /** The address was refused: the next read asks Secrets Manager again. */
  readonly forgetAddress: (channelName: string) => void;
  /** Loopback addresses may be called, over http too: for a laptop. */
  readonly allowLoopback: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Channel {
  readonly pace: ChannelPace;
  /** Whether the message fits without being cut. */
  fits(message: Message): boolean;
  /**
   * Answers with what the channel said, never with its address. Throws `ChannelUnavailable` (timeout, 5xx),
   * `ChannelThrottled` (too many messages; `retryAfterSeconds` among its details where it is known), `ChannelRefused`
   * (never to be tried again), `AddressRefused` or `SecretMissing`.
   */
  send(message: Message): Promise<string>;
}
