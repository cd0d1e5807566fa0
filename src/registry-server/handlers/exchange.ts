import type { Caller } from '../auth/caller.ts';
import type { RegistryReader, RegistryWriter } from '../registry-server.ts';

/** One request with what was found out about it before its handler runs. */
export interface Exchange {
  readonly request: Request;
  readonly url: URL;
  /** As the client names it; the base of every Location. */
  readonly repository: string;
  /** What stands at `{reference}` of the path: a tag, a digest, an upload's id; else empty. */
  readonly reference: string;
  readonly caller: Caller;
  readonly place: Place;
}

/** Where a repository is. */
export interface Place {
  /** Its name there: without the namespace that a proxy has here. */
  readonly repository: string;
  /** The name that rights are about. */
  readonly scope: string;
  readonly reader: RegistryReader;
  /** Undefined: nothing can be pushed or deleted there. */
  readonly writer: RegistryWriter | undefined;
  readonly mayDelete: boolean;
}

export type Handler = (exchange: Exchange) => Promise<Response>;
