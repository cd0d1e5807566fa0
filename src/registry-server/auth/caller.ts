export type Action = 'pull' | 'push' | 'delete';

/** Who sent a request and what they may do. */
export interface Caller {
  /** For the log; `-` for nobody in particular. */
  readonly name: string;
  /** True when no credentials came. */
  readonly anonymous: boolean;
  may(repository: string, action: Action): boolean;
  /** May list all repositories. Without it, the list has those that the caller may pull. */
  readonly mayList: boolean;
}

/** How callers are told apart. */
export interface Authenticator {
  /** The sender of an `Authorization` header, null when there was none. Throws UNAUTHORIZED for wrong credentials. */
  identify(authorization: string | null): Promise<Caller>;
  /**
   * The WWW-Authenticate header for what was asked; undefined when credentials would not help. `origin` is how the
   * client reached us, `https://host:port`.
   */
  challenge(scope: string | undefined, origin: string): string | undefined;
  /** True when `/v2/` itself asks for credentials, which is how clients find out that there are any. */
  readonly guardsPing: boolean;
}

/** Everybody may do everything. */
export const openAccess: Authenticator = {
  identify: async () => ({ name: '-', anonymous: true, may: () => true, mayList: true }),
  challenge: () => undefined,
  guardsPing: false,
};
