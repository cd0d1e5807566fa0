import type { Logger } from '../base/log.ts';
import type { ImageDistribution } from '../engine/images/image-distribution.ts';
import { MANIFEST_LIMIT } from '../oci/manifest.ts';
import { EngineRegistry } from '../registry-server/engine/engine-registry.ts';
import { HttpService } from '../registry-server/http-service.ts';
import { listen } from '../registry-server/listener.ts';
import { prefixOf } from '../registry-server/places.ts';
import { LineRequestLog } from '../registry-server/request-log.ts';
import { registryAccess } from './registry-auth.ts';
import { parseAddress, readTls } from './registry-start.ts';

/** How the engine's images are served; the names are those of `tare registry serve`. */
export interface EngineRegistryOptions {
  /** `host:port`; empty: they are not. */
  readonly address: string;
  readonly tlsCertificate: string;
  readonly tlsKey: string;
  readonly htpasswd: string;
  readonly authConfig: string;
}

/** How long pulls may go on after the end was asked for. Milliseconds. */
const GRACE = 2_000;

/** Serves the engine's images, read-only. Throws `invalid` for wrong options, `conflict` for an address in use. */
export function serveEngine(
  options: EngineRegistryOptions,
  images: ImageDistribution,
  log: Logger,
): { readonly address: string; close(): Promise<void> } {
  if (options.address === '') return { address: '', close: async () => {} };
  const access = registryAccess({ ...NO_TOKENS, ...options }, log);
  const tls = readTls(options);
  const reader = new EngineRegistry(images);
  const service = new HttpService({
    placeOf: (name, namespace) => {
      const repository = namespace === undefined ? name : `${prefixOf(namespace)}/${name}`;
      return { repository, scope: repository, reader, writer: undefined, mayDelete: false };
    },
    catalog: reader,
    authenticator: access.authenticator,
    tokens: access.tokens,
    maxManifestSize: MANIFEST_LIMIT,
    requests: new LineRequestLog(log, () => {}),
    log,
  });
  const listener = listen(parseAddress(options.address), tls, (request, remote) =>
    service.handle(request, remote),
  );
  log.info('registry is ready', {
    address: listener.address,
    tls: tls !== undefined,
    images: 'of the engine',
  });
  return { address: listener.address, close: () => listener.close(GRACE) };
}

const NO_TOKENS = { tokenRealm: '', tokenService: '', tokenIssuer: '', tokenKeys: [] } as const;
