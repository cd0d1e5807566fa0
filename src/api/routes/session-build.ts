import { randomUUID } from 'node:crypto';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BuildKit, SessionBuild } from '../../buildkit/buildkit.ts';
import type { Exchange } from '../exchange.ts';
import { ProgressStream } from '../progress.ts';
import { flag, text } from '../query.ts';

interface Dependencies {
  readonly buildkit: () => Promise<BuildKit>;
  readonly log: Logger;
}

/**
 * `POST /build?version=2`: Docker's client 20.10 without the buildx plugin. The files come from its session, the answer's
 * messages carry BuildKit's own.
 */
export async function sessionBuild({ buildkit, log }: Dependencies, x: Exchange): Promise<void> {
  const request = requestOf(x);
  const kit = await buildkit();
  const progress = new ProgressStream(x);
  await progress.run(
    async () => {
      const trace = (status: Uint8Array): void =>
        progress.send({ id: 'moby.buildkit.trace', aux: Buffer.from(status).toString('base64') });
      const id = await kit.build(request, trace, x.signal);
      progress.send({ id: 'moby.image.id', aux: { ID: id } });
    },
    log,
    true,
  );
}

function requestOf(x: Exchange): SessionBuild {
  const remote = text(x, 'remote');
  if (remote === 'upload-request' || remote === '') {
    throw new TareError(
      'not-implemented',
      'a context from standard input needs docker buildx, or DOCKER_BUILDKIT=0 with this client',
    );
  }
  return {
    ref: text(x, 'buildid') || randomUUID(),
    session: text(x, 'session'),
    attributes: attributesOf(x, remote),
    exporters: exportersOf(x),
  };
}

/** The parameters by the names that the Dockerfile frontend has for them. */
function attributesOf(x: Exchange, remote: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  const set = (name: string, value: string): void => {
    if (value !== '' && value !== '0') attributes[name] = value;
  };
  set('filename', text(x, 'dockerfile'));
  set('target', text(x, 'target'));
  set('platform', text(x, 'platform'));
  set('shm-size', text(x, 'shmsize'));
  set('cgroup-parent', text(x, 'cgroupparent'));
  const network = text(x, 'networkmode');
  set('force-network-mode', network === 'default' ? '' : network);
  if (remote !== 'client-session') set('context', remote);
  if (flag(x, 'nocache')) attributes['no-cache'] = '';
  if (flag(x, 'pull')) attributes['image-resolve-mode'] = 'pull';
  for (const [name, value] of Object.entries(json<Record<string, string | null>>(x, 'buildargs') ?? {})) {
    if (value !== null) attributes[`build-arg:${name}`] = value;
  }
  for (const [name, value] of Object.entries(json<Record<string, string>>(x, 'labels') ?? {})) {
    attributes[`label:${name}`] = value;
  }
  set('cache-from', (json<string[]>(x, 'cachefrom') ?? []).join(','));
  const hosts = x.query.getAll('extrahosts').filter((entry) => entry !== '');
  set('add-hosts', hosts.map((entry) => entry.replace(':', '=')).join(','));
  const ulimits = json<Array<{ Name: string; Soft: number; Hard: number }>>(x, 'ulimits') ?? [];
  set('ulimit', ulimits.map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).join(','));
  return attributes;
}

function exportersOf(x: Exchange): SessionBuild['exporters'] {
  const outputs = json<Array<{ Type: string; Attrs?: Record<string, string> }>>(x, 'outputs') ?? [];
  if (outputs.length > 0) return outputs.map(({ Type, Attrs = {} }) => ({ type: Type, attrs: Attrs }));
  const names = x.query.getAll('t').filter((tag) => tag !== '');
  return [{ type: 'moby', attrs: { name: names.join(',') } }];
}

function json<T>(x: Exchange, name: string): T | undefined {
  const value = text(x, name);
  if (value === '') return undefined;
  try {
    return (JSON.parse(value) as T | null) ?? undefined;
  } catch (error) {
    throw new TareError('invalid', `error reading ${name}: it is not JSON`, error);
  }
}
