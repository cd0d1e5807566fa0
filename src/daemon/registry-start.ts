import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildVersion } from '../base/build-version.ts';
import { isKind, messageOf, TareError, wrapError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { fromNodeError } from '../kernel/errno.ts';
import { type FileLock, lockFile } from '../kernel/file-lock.ts';
import { CERTIFICATE_FOLDERS, readHostCertificates } from '../registry-client/host-certificates.ts';
import { HttpService } from '../registry-server/http-service.ts';
import { type ListenAddress, listen, type TlsFiles } from '../registry-server/listener.ts';
import { Metrics } from '../registry-server/metrics.ts';
import { Places, parseProxy, prefixOf } from '../registry-server/places.ts';
import { CacheLimit } from '../registry-server/proxy/cache-limit.ts';
import { ProxyRegistry } from '../registry-server/proxy/proxy-registry.ts';
import { LineRequestLog } from '../registry-server/request-log.ts';
import type {
  RegistryCollection,
  RegistryRootSettings,
  RegistrySettings,
} from '../wire/registry-settings.ts';
import { registryAccess } from './registry-auth.ts';
import { openRegistryStore, type RegistryStore } from './registry-compose.ts';
import { serveControl } from './registry-control.ts';
import { ClientUpstream } from './registry-upstream.ts';

/** How long requests may go on after the registry was told to stop. Milliseconds. */
const GRACE = 10_000;
/** Between two looks for uploads that have expired, in milliseconds. */
const UPLOAD_SWEEP = 60_000;

/** A registry server that runs. */
export interface RunningRegistry {
  /** `host:port`. */
  readonly address: string;
  /** `host:port` of the metrics, if they are served. */
  readonly metricsAddress: string | undefined;
  collect(): Promise<RegistryCollection>;
  close(): Promise<void>;
}

/** Starts a server. Throws `invalid` for wrong settings, `conflict` when another server has the root or the address. */
export async function startRegistry(settings: RegistrySettings, log: Logger): Promise<RunningRegistry> {
  const lock = takeRoot(settings.root);
  const closing: (() => unknown)[] = [() => lock.release()];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    return { ...(await open(settings, log, closing)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  settings: RegistrySettings,
  log: Logger,
  closing: (() => unknown)[],
): Promise<Omit<RunningRegistry, 'close'>> {
  const access = registryAccess(settings, log);
  const tls = readTls(settings);
  const store = await openRegistryStore(storeOptions(settings), log);
  closing.push(() => store.close());
  const metrics = measured(store);
  const { registry } = store;
  const places = new Places({
    reader: registry,
    writer: settings.readOnly ? undefined : registry,
    mayDelete: settings.deletes,
  });
  addCaches(places, settings, store, metrics, log, closing);
  const service = new HttpService({
    placeOf: (repository, namespace) => places.find(repository, namespace),
    catalog: registry,
    authenticator: access.authenticator,
    tokens: access.tokens,
    maxManifestSize: settings.maxManifestSize,
    requests: new LineRequestLog(log, (answered, seconds, bytes) =>
      metrics.observe(answered, seconds, bytes),
    ),
    log,
  });
  const collect = async (): Promise<RegistryCollection> => {
    const report = await store.collector.collect();
    metrics.count('collected_blobs', 'Blobs removed by garbage collection.', report.blobs);
    metrics.count('collected_bytes', 'Bytes freed by garbage collection.', report.bytes);
    return report;
  };
  closing.push(repeat(settings.collectEvery, collect, log));
  closing.push(repeat(UPLOAD_SWEEP, () => store.uploads.sweep(), log));
  closing.push(serveControl(settings.root, { collect }));
  let metricsAddress: string | undefined;
  if (settings.metricsAddress !== '') {
    const listener = listen(parseAddress(settings.metricsAddress), undefined, async (request) => {
      if (new URL(request.url).pathname !== '/metrics')
        return new Response('see /metrics\n', { status: 404 });
      return new Response(metrics.text(), { headers: { 'Content-Type': 'text/plain; version=0.0.4' } });
    });
    metricsAddress = listener.address;
    closing.push(() => listener.close(0));
  }
  const listener = listen(parseAddress(settings.address), tls, (request, remote) =>
    service.handle(request, remote),
  );
  closing.push(() => listener.close(GRACE));
  return { address: listener.address, metricsAddress, collect };
}

/** The pull-through caches of `--proxy`. Throws `invalid`. */
function addCaches(
  places: Places,
  { proxies: given, maxUploadSize, proxyCacheSize }: RegistrySettings,
  { registry, content, metadata, fileLock }: RegistryStore,
  metrics: Metrics,
  log: Logger,
  closing: (() => unknown)[],
): void {
  const stop = new AbortController();
  const client = {
    certificatesFor: (host: string) => readHostCertificates(CERTIFICATE_FOLDERS, host),
    userAgent: `tare/${buildVersion().version}`,
  };
  const proxies = given.map(parseProxy);
  const cacheLimit = new CacheLimit({
    content,
    metadata,
    fileLock,
    log,
    now: Date.now,
    limit: proxyCacheSize || undefined,
    prefixes: proxies.map(({ host }) => prefixOf(host)),
  });
  closing.push(() => cacheLimit.close());
  // A smaller limit than last time.
  cacheLimit.grown();
  for (const proxy of proxies) {
    const cache = new ProxyRegistry({
      prefix: prefixOf(proxy.host),
      upstream: new ClientUpstream(proxy, client, stop.signal),
      local: registry,
      content,
      log,
      maxSize: maxUploadSize,
      cacheLimit,
      now: Date.now,
      count: (outcome) => metrics.count(`proxy_${outcome}`, CACHE_HELP[outcome]),
    });
    places.add(proxy.host, cache);
    closing.push(() => cache.close());
  }
  closing.push(() => stop.abort());
}

const CACHE_HELP = {
  hit: 'Answered from a cache, the tag being unchanged upstream.',
  miss: 'Fetched from upstream.',
  stale: 'Tags answered from a cache while upstream was away.',
} as const;

/** Collects garbage where no server runs on the root. */
export async function collectRoot(settings: RegistryRootSettings, log: Logger): Promise<RegistryCollection> {
  const lock = takeRoot(settings.root);
  try {
    const store = await openRegistryStore(rootOptions(settings), log);
    try {
      return await store.collector.collect();
    } finally {
      await store.close();
    }
  } finally {
    lock.release();
  }
}

function rootOptions({ root, collectGrace, collectUntagged }: RegistryRootSettings) {
  const unlimited = Number.MAX_SAFE_INTEGER;
  return {
    root,
    grace: collectGrace,
    untagged: collectUntagged,
    maxUploadSize: unlimited,
    uploadExpiry: unlimited,
  };
}

function storeOptions(settings: RegistrySettings) {
  const { maxUploadSize, uploadExpiry } = settings;
  return { ...rootOptions(settings), maxUploadSize, uploadExpiry };
}

function measured({ metadata, uploads }: RegistryStore): Metrics {
  const metrics = new Metrics();
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge({ name, help, read });
  gauge('repositories', 'Repositories.', () => metadata.counts().repositories);
  gauge('manifests', 'Manifests and indexes.', () => metadata.counts().manifests);
  gauge('tags', 'Tags.', () => metadata.counts().tags);
  gauge(
    'blob_links',
    'Blobs, counted once for each repository that has them.',
    () => metadata.counts().links,
  );
  gauge('uploads', 'Uploads that have not ended.', () => metadata.counts().uploads);
  gauge('uploads_open', 'Uploads that were written to lately.', () => uploads.active);
  gauge('resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
  return metrics;
}

/** Runs `body` every `interval` milliseconds, never twice at once; returns how to stop. 0: never. */
function repeat(interval: number, body: () => Promise<unknown>, log: Logger): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  if (interval === 0) return async () => {};
  const timer = setInterval(() => {
    running = running.then(body).catch((error) => log.error('background work', { error: messageOf(error) }));
  }, interval);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

function takeRoot(root: string): FileLock {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    return lockFile(join(root, 'registry.lock'));
  } catch (error) {
    if (!isKind(error, 'conflict')) throw fromNodeError(error, `opening the registry's root ${root}`);
    throw wrapError(
      error,
      `another registry server has the root ${root}; stop it or give --root another directory`,
    );
  }
}

/** Throws `invalid`. */
export function readTls({
  tlsCertificate,
  tlsKey,
}: Pick<RegistrySettings, 'tlsCertificate' | 'tlsKey'>): TlsFiles | undefined {
  if (tlsCertificate === '' && tlsKey === '') return undefined;
  if (tlsCertificate === '' || tlsKey === '')
    throw new TareError('invalid', 'TLS needs both --tls-cert and --tls-key');
  try {
    return { certificate: readFileSync(tlsCertificate, 'utf8'), key: readFileSync(tlsKey, 'utf8') };
  } catch (error) {
    throw fromNodeError(error, 'reading the TLS certificate and key');
  }
}

/** `host:port`, `[::1]:port`, `:port`. Throws `invalid`. */
export function parseAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new TareError('invalid', `invalid address "${text}": use HOST:PORT or :PORT`);
  }
  return { hostname: match[1] ?? (match[2] || '0.0.0.0'), port };
}
