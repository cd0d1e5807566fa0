import { messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BuildCache } from '../../engine/builder/build-cache.ts';
import type { Builder, BuildRequest } from '../../engine/builder/builder.ts';
import type { RegistryAuth } from '../../engine/images/images.ts';
import { familiarString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { bodyStream } from '../body.ts';
import { BuildSteps, shortOf } from '../build-steps.ts';
import { containerConfigCodec } from '../codec/container-config.ts';
import { hostConfigCodec } from '../codec/host-config.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { ProgressStream } from '../progress.ts';
import { flag, flagOr, integer, text } from '../query.ts';
import { authOf } from '../registry-auth.ts';
import type { Route } from '../router.ts';

interface Dependencies {
  readonly builder: Builder;
  readonly buildCache: BuildCache;
  readonly log: Logger;
}

/** Building images, as Docker's classic builder has it. */
export function buildRoutes({ builder, buildCache, log }: Dependencies): Route[] {
  async function build(x: Exchange): Promise<void> {
    if (text(x, 'version') === '2') {
      throw new HttpError(
        400,
        "this builder does not speak BuildKit's protocol: build with DOCKER_BUILDKIT=0, or by tare build",
      );
    }
    const request = await buildRequest(x, builder);
    const quiet = flag(x, 'q');
    const progress = new ProgressStream(x);
    const steps = new BuildSteps((message) => progress.send(message), flagOr(x, 'rm', true));
    await progress.run(
      async () => {
        const { id } = await builder.build(request, quiet ? () => {} : (event) => steps.take(event));
        if (quiet) return progress.send({ stream: `${id}\n` });
        progress.send({ aux: { ID: id } });
        progress.send({ stream: `Successfully built ${shortOf(id)}\n` });
        for (const tag of request.tags) {
          const name = familiarString(withDefaultTag(parseReference(tag)));
          progress.send({ stream: `Successfully tagged ${name}\n` });
        }
      },
      log,
      true,
    );
  }

  return [
    { method: 'POST', pattern: '/build', handle: build },
    {
      method: 'POST',
      pattern: '/build/prune',
      async handle(x) {
        const keepBytes = integer(x, 'keep-storage') ?? 0;
        const { deleted, reclaimed } = await buildCache.prune({ all: flag(x, 'all'), keepBytes });
        x.json(200, { CachesDeleted: deleted, SpaceReclaimed: reclaimed });
      },
    },
    {
      method: 'POST',
      pattern: '/build/cancel',
      handle(x) {
        x.empty(204);
      },
    },
  ];
}

async function buildRequest(x: Exchange, builder: Builder): Promise<BuildRequest> {
  for (const [name, value] of [
    ['squash', flag(x, 'squash')],
    ['outputs', text(x, 'outputs') !== ''],
  ] as const) {
    if (value) throw new HttpError(400, `${name} is not supported by this builder`);
  }
  const remote = text(x, 'remote');
  const { context, dockerfile } =
    remote === '' || remote === 'client-session'
      ? { context: bodyStream(x), dockerfile: '' }
      : await builder.remoteContext(remote, x.signal, text(x, 'dockerfile'));
  const auths = registryConfig(x.request.headers['x-registry-config']);
  return {
    context: { kind: 'tar', stream: context },
    contexts: {},
    dockerfile: { path: dockerfile || text(x, 'dockerfile') || 'Dockerfile' },
    tags: x.query.getAll('t').filter((tag) => tag !== ''),
    target: text(x, 'target'),
    args: jsonParameter<Record<string, string | null>>(x, 'buildargs') ?? {},
    labels: jsonParameter<Record<string, string>>(x, 'labels') ?? {},
    noCache: flag(x, 'nocache'),
    cacheFrom: jsonParameter<string[]>(x, 'cachefrom') ?? [],
    pull: flag(x, 'pull'),
    platform: text(x, 'platform'),
    config: containerConfigCodec.zero(),
    hostConfig: hostConfigOf(x),
    sourceDateEpoch: undefined,
    // There is no session to ask for them.
    secrets: async () => undefined,
    ssh: async () => undefined,
    auth: (host) => auths[host] ?? (host === 'docker.io' ? auths['https://index.docker.io/v1/'] : undefined),
    signal: x.signal,
  };
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
