import { messageOf, TareError } from '../base/errors.ts';
import { errorResponse } from './registry-error.ts';

export interface ListenAddress {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface TlsFiles {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** A socket that answers requests. */
export interface Listener {
  /** `host:port`. */
  readonly address: string;
  /** Stops listening; requests under way may end within `grace` milliseconds. */
  close(grace: number): Promise<void>;
}

/** Silence on a connection, in seconds, after which it is closed. The most that Bun takes. */
const IDLE_TIMEOUT = 255;

/**
 * Listens with Bun's server. It was chosen by measurement: a `Bun.file` body goes from the file to the socket by
 * sendfile(2) (200 blobs of 1 MB at once: 6 times docker-registry's throughput, 2 times that of `node:http`), and a
 * request's body is read no faster than its handler takes it. Throws `conflict` when the address is taken.
 */
export function listen(
  at: ListenAddress,
  tls: TlsFiles | undefined,
  handle: (request: Request, remote: string) => Promise<Response>,
): Listener {
  const server = serve(at, tls, handle);
  const host = at.hostname.includes(':') ? `[${at.hostname}]` : at.hostname;
  return {
    address: `${host}:${server.port}`,
    async close(grace): Promise<void> {
      const ended = server.stop(false);
      const timer = setTimeout(() => void server.stop(true), grace);
      await ended;
      clearTimeout(timer);
    },
  };
}

function serve(
  { hostname, port }: ListenAddress,
  tls: TlsFiles | undefined,
  handle: (request: Request, remote: string) => Promise<Response>,
) {
  try {
    return Bun.serve({
      hostname,
      port,
      // Else two servers could share a port without knowing.
      reusePort: false,
      idleTimeout: IDLE_TIMEOUT,
      // Layers may be of any size; the service has limits of its own.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      ...(tls === undefined ? {} : { tls: { cert: tls.certificate, key: tls.key } }),
      fetch: (request, self) => handle(request, self.requestIP(request)?.address ?? '-'),
      error: (error) => errorResponse(error),
    });
  } catch (error) {
    throw new TareError('conflict', `cannot listen on ${hostname}:${port}: ${messageOf(error)}`, error);
  }
}
