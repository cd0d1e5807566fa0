import { isKind } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContainerService } from '../../engine/containers/containers.ts';
import type { ImageService, ProgressEvent } from '../../engine/images/images.ts';
import { parseReference } from '../../oci/reference.ts';
import { bodyStream, readOptionalJson } from '../body.ts';
import { containerConfigCodec } from '../codec/container-config.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { onePlatform, platforms } from '../platform-query.ts';
import { ProgressStream } from '../progress.ts';
import { flagOr, text } from '../query.ts';
import { registryAuth } from '../registry-auth.ts';
import type { Route } from '../router.ts';
import { pipeTar } from '../tar-answer.ts';

interface Dependencies {
  readonly images: Pick<ImageService, 'pull' | 'pullAll' | 'push' | 'importTar' | 'load' | 'save'>;
  readonly containers: Pick<ContainerService, 'commit'>;
  readonly log: Logger;
}

/** Endpoints through which images come and go. */
export function imageTransferRoutes({ images, containers, log }: Dependencies): Route[] {
  async function pull(x: Exchange): Promise<void> {
    const auth = registryAuth(x.request.headers['x-registry-auth']);
    const platform = text(x, 'platform');
    const progress = new ProgressStream(x);
    const reference = joinReference(text(x, 'fromImage'), text(x, 'tag'));
    const { tag, digest } = parseReference(reference);
    const all = tag === undefined && digest === undefined;
    const work = progress.run(async () => {
      await images[all ? 'pullAll' : 'pull'](reference, {
        ...(platform === '' ? {} : { platform }),
        ...(auth === undefined ? {} : { auth }),
        report: (event) => progress.report(event),
        signal: x.signal,
      });
    }, log);
    await work.catch(refuseWithoutPrompt);
  }

  async function push(x: Exchange): Promise<void> {
    const auth = registryAuth(x.request.headers['x-registry-auth']);
    const platform = x.version >= 46 ? onePlatform(x) : undefined;
    const progress = new ProgressStream(x);
    const work = progress.run(async () => {
      await images.push(joinReference(x.param, text(x, 'tag')), {
        ...(platform === undefined ? {} : { platform }),
        ...(auth === undefined ? {} : { auth }),
        report: (event) => progress.report(event),
        signal: x.signal,
      });
    }, log);
    await work.catch(refuseWithoutPrompt);
  }

  async function importTar(x: Exchange): Promise<void> {
    const address = text(x, 'fromSrc');
    const platform = text(x, 'platform');
    const repo = text(x, 'repo');
    const progress = new ProgressStream(x);
    await progress.run(async () => {
      const report = (event: ProgressEvent): void => progress.report(event);
      const source = address === '-' ? bodyStream(x) : { address, report, signal: x.signal };
      const id = await images.importTar(source, {
        reference: repo === '' ? '' : joinReference(repo, text(x, 'tag')),
        message: text(x, 'message') || `Imported from ${address}`,
        changes: splitChanges(x.query.getAll('changes')),
        ...(platform === '' ? {} : { platform }),
      });
      progress.send({ status: id });
    }, log);
  }

  return [
    {
      method: 'POST',
      pattern: '/images/create',
      handle: (x) => (text(x, 'fromImage') === '' ? importTar(x) : pull(x)),
    },
    { method: 'POST', pattern: '/images/{name*}/push', handle: push },
    {
      method: 'POST',
      pattern: '/images/load',
      async handle(x) {
        const quiet = flagOr(x, 'quiet', true);
        const wanted = x.version >= 48 ? platforms(x, 'platform') : [];
        const progress = new ProgressStream(x);
        await progress.run(
          async () => {
            const names = await images.load(bodyStream(x), {
              platforms: wanted,
              report: (event) => {
                if (!quiet || event.stream !== undefined) progress.report(event);
              },
            });
            for (const name of names) {
              const what = name.startsWith('sha256:') ? 'Loaded image ID' : 'Loaded image';
              progress.send({ stream: `${what}: ${name}\n` });
            }
            // As dockerd, whose answer has begun by then; docker-py tells damaged archives apart by it.
          },
          log,
          true,
        );
      },
    },
    {
      method: 'GET',
      pattern: '/images/get',
      async handle(x) {
        const names = x.query.getAll('names').flatMap((value) => value.split(','));
        if (names.length === 0) throw new HttpError(400, 'no images given: the parameter names is needed');
        const platform = x.version >= 48 ? onePlatform(x) : undefined;
        await pipeTar(x, await images.save(names, platform), 'application/x-tar');
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name*}/get',
      async handle(x) {
        const platform = x.version >= 48 ? onePlatform(x) : undefined;
        await pipeTar(x, await images.save([x.param], platform), 'application/x-tar');
      },
    },
    {
      method: 'POST',
      pattern: '/commit',
      async handle(x) {
        const config = await readOptionalJson(x, containerConfigCodec);
        const repo = text(x, 'repo');
        const id = await containers.commit(text(x, 'container'), {
          reference: repo === '' ? '' : joinReference(repo, text(x, 'tag')),
          comment: text(x, 'comment'),
          author: text(x, 'author'),
          pause: flagOr(x, 'pause', true),
          changes: splitChanges(x.query.getAll('changes')),
          ...(config && { config }),
        });
        x.json(201, { Id: id });
      },
    },
  ];
}

/**
 * A registry's refusal is no 401 here: at that, the docker client asks for a password and waits for it, even in a
 * script. dockerd answers 500.
 */
function refuseWithoutPrompt(error: unknown): never {
  if (isKind(error, 'unauthorized')) throw new HttpError(500, error.message);
  throw error;
}

/** `name` and `tag` of a request as one reference; a tag may be a digest. */
export function joinReference(name: string, tag: string): string {
  if (tag === '') return name;
  return /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/.test(tag) ? `${name}@${tag}` : `${name}:${tag}`;
}

/** Several instructions may come in one parameter, one a line. */
function splitChanges(changes: readonly string[]): string[] {
  return changes.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
}
