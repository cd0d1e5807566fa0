import { readTarMembers } from '../../archive/tar-members.ts';
import { TareError } from '../../base/errors.ts';
import type { BuildResult } from '../../engine/builder/builder.ts';
import { canonicalString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { BuildKitParts } from '../buildkit.ts';
import { credentialsOf } from '../session/attachables.ts';
import { sendBytes, sendTree } from '../session/file-send.ts';
import type { Session } from '../session/sessions.ts';
import { listOf } from './attributes.ts';
import type { Job } from './jobs.ts';
import { EXPORT } from './progress.ts';

/** An exporter as a client asks for it; its position among them is what its output is called by. */
export interface ExportRequest {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** What `--metadata-file` and `--iidfile` are written from. */
export type ExportResponse = Record<string, string>;

/** Brings results of builds to where clients want them. */
export class Exporters {
  readonly #parts: Pick<BuildKitParts, 'images' | 'rootFiles'>;

  /** How many builds are exporting an image. */
  readonly #exporting = new Map<string, number>();

  constructor(parts: Pick<BuildKitParts, 'images' | 'rootFiles'>) {
    this.#parts = parts;
  }

  async export(
    job: Job,
    session: Session,
    result: BuildResult,
    requests: readonly ExportRequest[],
  ): Promise<ExportResponse> {
    const response: ExportResponse = { 'containerimage.config.digest': result.id };
    this.#exporting.set(result.id, (this.#exporting.get(result.id) ?? 0) + 1);
    try {
      for (const [position, request] of requests.entries()) {
        Object.assign(response, await this.#one(job, session, result, request, position));
      }
    } finally {
      const others = (this.#exporting.get(result.id) ?? 1) - 1;
      if (others > 0) this.#exporting.set(result.id, others);
      else {
        this.#exporting.delete(result.id);
        if (!requests.some(({ type }) => staysHere(type))) await this.#forget(job, result.id);
      }
    }
    return response;
  }

  /** Who wants files wants no image here: the one that the build has made goes, what it was made of stays cached. */
  async #forget(job: Job, id: string): Promise<void> {
    const { images } = this.#parts;
    const image = images.find(id);
    if (image === undefined || job.imagesBefore.has(id) || image.repoTags.length > 0) return;
    // Somebody may have begun to use it.
    await images.remove(id, { force: false, noPrune: true }).catch(() => {});
  }

  #one(
    job: Job,
    session: Session,
    result: BuildResult,
    { type, attrs }: ExportRequest,
    position: number,
  ): Promise<ExportResponse> {
    const signal = AbortSignal.any([job.signal, session.signal]);
    switch (type) {
      case 'moby':
      case 'image':
        return this.#image(job, session, result, attrs, signal);
      case 'docker':
      case 'oci':
        return this.#archive(job, session, result, { type, attrs }, position, signal);
      case 'tar':
        return job.progress.during('sending tarball', String(position), async () => {
          const tar = await this.#parts.rootFiles.tar(result.id);
          await sendBytes(session, position, attrs, tar, signal);
          return {};
        });
      case 'local':
        return job.progress.during('copying files', String(position), async (id) => {
          const members = readTarMembers(await this.#parts.rootFiles.tar(result.id));
          const progress = (bytes: number): void =>
            job.progress.status(id, 'copying files', 'copying files', bytes);
          await sendTree(session, position, members, progress, signal);
          return {};
        });
      default:
        throw new TareError('not-implemented', `exporter ${JSON.stringify(type)} could not be found`);
    }
  }

  /** Names the image in the engine's store, and pushes it when that is asked for. */
  #image(
    job: Job,
    session: Session,
    { id: image }: BuildResult,
    attrs: ExportRequest['attrs'],
    signal: AbortSignal,
  ): Promise<ExportResponse> {
    const names = namesOf(attrs.name);
    return job.progress.during(EXPORT, names.join(' '), async (vertex) => {
      const tell = (what: string): void => job.progress.status(vertex, what, what, 0, 0, true);
      tell('exporting layers');
      tell(`writing image ${image}`);
      for (const name of names) {
        await this.#parts.images.tag(image, name);
        tell(`naming to ${name}`);
      }
      const digest = isTrue(attrs.push) ? await this.#push(job, session, vertex, names, signal) : undefined;
      return {
        'containerimage.config.digest': image,
        'containerimage.digest': digest ?? image,
        ...(names.length > 0 && { 'image.name': names.join(',') }),
      };
    });
  }

  async #push(
    job: Job,
    session: Session,
    vertex: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    let digest: string | undefined;
    for (const name of names) {
      const auth = await credentialsOf(session, parseReference(name).domain, signal);
      const what = `pushing ${name}`;
      job.progress.status(vertex, what, what);
      await this.#parts.images.push(name, {
        ...(auth !== undefined && { auth }),
        report: ({ id, status, current, total, aux }) => {
          if (id !== undefined && status === 'Pushing') {
            job.progress.status(vertex, `${what} ${id}`, `pushing layer ${id}`, current, total);
          }
          digest = digestOf(aux) ?? digest;
        },
        signal,
      });
      job.progress.status(vertex, what, what, 0, 0, true);
    }
    return digest;
  }

  /** A docker-archive or OCI layout: the tar is both. */
  #archive(
    job: Job,
    session: Session,
    { id: image }: BuildResult,
    { type, attrs }: ExportRequest,
    position: number,
    signal: AbortSignal,
  ): Promise<ExportResponse> {
    if (attrs.tar === 'false') {
      throw new TareError('not-implemented', `--output type=${type},tar=false is not supported: write a tar`);
    }
    const kind = type === 'oci' ? 'oci' : 'docker';
    return job.progress.during(`exporting to ${kind} image format`, String(position), async (vertex) => {
      const names = namesOf(attrs.name);
      const tar = await this.#parts.images.saveAs(image, names);
      job.progress.status(vertex, 'sending tarball', 'sending tarball');
      await sendBytes(session, position, attrs, tar, signal);
      job.progress.status(vertex, 'sending tarball', 'sending tarball', 0, 0, true);
      return { 'containerimage.config.digest': image, 'containerimage.digest': image };
    });
  }
}

function staysHere(type: string): boolean {
  return type === 'moby' || type === 'image';
}

/** Comma-separated, each with its tag. */
function namesOf(value: string | undefined): string[] {
  return listOf(value).map((name) => canonicalString(withDefaultTag(parseReference(name))));
}

function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1' || value === 't';
}

function digestOf(aux: unknown): string | undefined {
  if (typeof aux !== 'object' || aux === null || !('Digest' in aux)) return undefined;
  return typeof aux.Digest === 'string' ? aux.Digest : undefined;
}
