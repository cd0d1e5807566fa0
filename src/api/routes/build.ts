import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BuildKit } from '../../buildkit/buildkit.ts';
import type { BuildCache } from '../../engine/builder/build-cache.ts';
import type { BuildEvent, Builder, BuildRequest, BuildResult } from '../../engine/builder/builder.ts';
import type { KeptContexts } from '../../engine/builder/context/kept-contexts.ts';
import type { RegistryAuth } from '../../engine/images/images.ts';
import { familiarString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { bodyStream } from '../body.ts';
import { BuildContexts, type BuildExtras } from '../build-contexts.ts';
import { eventMessage } from '../build-events.ts';
import { BuildSteps, shortOf } from '../build-steps.ts';
import { containerConfigCodec } from '../codec/container-config.ts';
import { hostConfigCodec } from '../codec/host-config.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { ProgressStream } from '../progress.ts';
import { flag, flagOr, integer, text } from '../query.ts';
import { authOf } from '../registry-auth.ts';
import type { Route } from '../router.ts';
import { buildCacheRoutes } from './build-cache.ts';
import { buildContextRoutes } from './build-contexts.ts';
import type { BuildOutputs } from './build-outputs.ts';
import { sessionBuild } from './session-build.ts';

interface Dependencies {
  readonly builder: Builder;
  readonly buildkit: () => Promise<BuildKit>;
  readonly buildCache: BuildCache;
  readonly keptContexts: KeptContexts;
  readonly buildOutputs: Pick<BuildOutputs, 'cacheImages' | 'squash'>;
  readonly log: Logger;
}

/** Building images, as Docker's classic builder has it. */
export function buildRoutes(dependencies: Dependencies): Route[] {
  const { builder, buildCache, keptContexts, buildOutputs, log } = dependencies;
  const { cacheImages, squash } = buildOutputs;
  const contexts = new BuildContexts(keptContexts);
  async function build(x: Exchange): Promise<void> {
    if (text(x, 'version') === '2') return sessionBuild(dependencies, x);
    const taken = await buildRequest(x, builder, contexts);
    // Before the answer ends: the client's next build may come at once.
    const built = async (report: (event: BuildEvent) => void): Promise<Built> => {
      try {
        await takeCaches(taken.request.cacheFrom);
        return await withCache(await builder.build(taken.request, report), taken);
      } finally {
        for (const release of taken.releases) await release();
      }
    };
    await run(x, taken.request, built);
  }

  /** Images that are here and bring records of steps; one that is not, or brings none, is no cache. */
  async function takeCaches(references: readonly string[]): Promise<void> {
    for (const reference of references) {
      await cacheImages.takeIn(reference).catch((error: unknown) => {
        log.debug('no build cache', { reference, error: messageOf(error) });
      });
    }
  }

  async function withCache(
    result: BuildResult,
    { request, cacheTo, squash: wantsSquash }: TakenRequest,
  ): Promise<Built> {
    const { id, keys, layers } = result;
    const { inline, mode } = cacheTo;
    const chosen = mode === 'max' ? keys : cacheImages.ofLayers(keys, layers);
    const cache = mode === '' ? '' : await cacheImages.pack(chosen);
    const squashed = wantsSquash ? await squash.squash(id, request.tags) : id;
    return { id: inline ? await cacheImages.inline(squashed, keys, request.tags) : squashed, cache };
  }

  async function run(
    x: Exchange,
    request: BuildRequest,
    built: (report: (event: BuildEvent) => void) => Promise<Built>,
  ): Promise<void> {
    const quiet = flag(x, 'q');
    const progress = new ProgressStream(x);
    const report = quiet ? () => {} : reporterOf(x, progress);
    await progress.run(async () => {
      const { id, cache } = await built(report);
      if (cache !== '') progress.send({ aux: { TareCache: cache } });
      if (quiet) return progress.send({ stream: `${id}\n` });
      progress.send({ aux: { ID: id } });
      progress.send({ stream: `Successfully built ${shortOf(id)}\n` });
      for (const tag of request.tags) {
        const name = familiarString(withDefaultTag(parseReference(tag)));
        progress.send({ stream: `Successfully tagged ${name}\n` });
      }
    }, log);
  }

  return [
    { method: 'POST', pattern: '/build', handle: build },
    ...buildContextRoutes({ keptContexts }, contexts),
    ...buildCacheRoutes({ buildCache }),
    {
      method: 'POST',
      pattern: '/build/cancel',
      handle(x) {
        x.empty(204);
      },
    },
  ];
}

/** Docker's words for what happens, or with `tareevents` what happens itself. */
function reporterOf(x: Exchange, progress: ProgressStream): (event: BuildEvent) => void {
  if (!flag(x, 'tareevents')) {
    const steps = new BuildSteps((message) => progress.send(message), flagOr(x, 'rm', true));
    return (event) => steps.take(event);
  }
  return (event) => {
    const tare = eventMessage(event);
    if (tare !== undefined) progress.send({ tare });
  };
}

/** What a build came to. */
interface Built {
  readonly id: string;
  /** Id of an image of the build cache; empty: none was asked for. */
  readonly cache: string;
}

interface TakenRequest {
  readonly request: BuildRequest;
  readonly cacheTo: BuildExtras['cacheTo'];
  readonly squash: boolean;
  /** To be called when the build is over. */
  readonly releases: ReadonlyArray<() => Promise<void>>;
}

async function buildRequest(x: Exchange, builder: Builder, contexts: BuildContexts): Promise<TakenRequest> {
  for (const [name, value] of [['outputs', text(x, 'outputs') !== '']] as const) {
    if (value) throw new HttpError(400, `${name} is not supported by this builder`);
  }
  const asked = text(x, 'tarerequest');
  const extras = asked === '' ? undefined : contexts.takeExtras(asked);
  const sources = await takeSources(x, builder, contexts, extras);
  const args = jsonParameter<Record<string, string | null>>(x, 'buildargs') ?? {};
  const auths = registryConfig(x.request.headers['x-registry-config']);
  const { noCacheFilter = [], secrets, ssh } = extras ?? {};
  const request: BuildRequest = {
    ...sources.inputs,
    tags: x.query.getAll('t').filter((tag) => tag !== ''),
    target: text(x, 'target'),
    args,
    labels: jsonParameter<Record<string, string>>(x, 'labels') ?? {},
    noCache: flag(x, 'nocache') || (noCacheFilter.length > 0 && noCacheFilter),
    cacheFrom: jsonParameter<string[]>(x, 'cachefrom') ?? [],
    pull: flag(x, 'pull'),
    platform: text(x, 'platform'),
    config: containerConfigCodec.zero(),
    hostConfig: hostConfigOf(x),
    sourceDateEpoch: epochOf(args),
    // Without a request of our own there is no session to ask for them.
    secrets: async (id) => secrets?.get(id),
    ssh: async (id) => ssh?.get(id),
    auth: (host) => auths[host] ?? (host === 'docker.io' ? auths['https://index.docker.io/v1/'] : undefined),
    signal: x.signal,
  };
  const { cacheTo = { inline: false, mode: '' } } = extras ?? {};
  return { request, cacheTo, squash: flag(x, 'squash'), releases: sources.releases };
}

/** Where the files and the Dockerfile come from. */
async function takeSources(
  x: Exchange,
  builder: Builder,
  contexts: BuildContexts,
  extras: BuildExtras | undefined,
): Promise<{
  inputs: Pick<BuildRequest, 'context' | 'contexts' | 'dockerfile'>;
  releases: Array<() => Promise<void>>;
}> {
  const releases: Array<() => Promise<void>> = [];
  const take = async (id: string): Promise<BuildRequest['context']> => {
    const { context, release } = await contexts.take(id);
    releases.push(release);
    return context;
  };
  try {
    const named: Array<[string, BuildRequest['contexts'][string]]> = [];
    for (const [name, one] of Object.entries(extras?.contexts ?? {})) {
      named.push([name, 'image' in one ? { kind: 'image', reference: one.image } : await take(one.context)]);
    }
    const remote = text(x, 'remote');
    let context: BuildRequest['context'];
    let path = text(x, 'dockerfile') || 'Dockerfile';
    if (extras !== undefined && extras.context !== '') context = await take(extras.context);
    else if (remote === '' || remote === 'client-session') context = { kind: 'tar', stream: bodyStream(x) };
    else {
      const fetched = await builder.remoteContext(remote, x.signal, text(x, 'dockerfile'));
      context = { kind: 'tar', stream: fetched.context };
      path = fetched.dockerfile || path;
    }
    const dockerfile = extras?.dockerfile ?? { path };
    return { inputs: { context, contexts: Object.fromEntries(named), dockerfile }, releases };
  } catch (error) {
    for (const release of releases) await release();
    throw error;
  }
}

/** As BuildKit has it: SOURCE_DATE_EPOCH is a build argument. */
function epochOf(args: Readonly<Record<string, string | null>>): number | undefined {
  const value = args.SOURCE_DATE_EPOCH ?? '';
  if (value === '') return undefined;
  if (/^\d{1,12}$/.test(value)) return Number(value);
  throw new TareError('invalid', `invalid SOURCE_DATE_EPOCH: ${value}: give seconds since 1970`);
}

function hostConfigOf(x: Exchange): BuildRequest['hostConfig'] {
  const zero = hostConfigCodec.zero();
  const number = (name: string): number => integer(x, name) ?? 0;
  const ulimits = jsonParameter<Array<{ Name: string; Soft: number; Hard: number }>>(x, 'ulimits') ?? [];
  return {
    ...zero,
    networkMode: text(x, 'networkmode') || 'default',
    extraHosts: x.query.getAll('extrahosts').filter((entry) => entry !== ''),
    shmSize: number('shmsize'),
    securityOpt: jsonParameter<string[]>(x, 'securityopt') ?? [],
    logConfig: { type: 'none', config: {} },
    resources: {
      ...zero.resources,
      memory: number('memory'),
      memorySwap: number('memswap'),
      cpuShares: number('cpushares'),
      cpuPeriod: number('cpuperiod'),
      cpuQuota: number('cpuquota'),
      cpusetCpus: text(x, 'cpusetcpus'),
      cpusetMems: text(x, 'cpusetmems'),
      cgroupParent: text(x, 'cgroupparent'),
      ulimits: ulimits.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
    },
  };
}

function jsonParameter<T>(x: Exchange, name: string): T | undefined {
  const value = text(x, name);
  if (value === '') return undefined;
  try {
    return (JSON.parse(value) as T | null) ?? undefined;
  } catch (error) {
    throw new TareError('invalid', `error reading ${name}: ${messageOf(error)}`, error);
  }
}

/** Credentials of several registries, by server. */
function registryConfig(header: string | string[] | undefined): Record<string, RegistryAuth> {
  if (typeof header !== 'string' || header === '') return {};
  try {
    const json: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    if (typeof json !== 'object' || json === null) return {};
    return Object.fromEntries(
      Object.entries(json).flatMap(([server, config]) => {
        const auth = authOf(config);
        return auth ? [[server, auth]] : [];
      }),
    );
  } catch {
    return {};
  }
}
