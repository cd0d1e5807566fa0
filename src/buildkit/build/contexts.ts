import { randomUUID } from 'node:crypto';
import { TareError } from '../../base/errors.ts';
import { readIgnoreFile } from '../../base/ignore-file.ts';
import type { BuildContext, BuildRequest, ImageContext } from '../../engine/builder/builder.ts';
import type { BuildKitParts } from '../buildkit.ts';
import type { Definition } from '../proto/llb.ts';
import type { ValueOf } from '../proto/message.ts';
import { uploadOf } from '../session/attachables.ts';
import { type Selection, syncFiles } from '../session/file-sync.ts';
import { FramedFiles } from '../session/framed-files.ts';
import type { Session } from '../session/sessions.ts';
import { TextFiles } from '../session/text-files.ts';
import { type Attributes, namedContexts } from './attributes.ts';
import type { Job } from './jobs.ts';
import { imageOf } from './results.ts';

/** Graphs by name. */
export type Inputs = Readonly<Record<string, Partial<ValueOf<typeof Definition>>>>;
export type Files = Pick<BuildRequest, 'context' | 'contexts' | 'dockerfile'>;

const IGNORE = '.dockerignore';
/** Host of the addresses of what the client uploads itself. */
const UPLOADS = 'buildkit-session';

/** Brings the files of a build from the client: the Dockerfile, what it ignores, the contexts. */
export class ContextReader {
  readonly #parts: Pick<BuildKitParts, 'kept' | 'builder'>;
  readonly #job: Job;
  readonly #session: Session;
  readonly #inputs: Inputs;
  readonly #signal: AbortSignal;

  constructor(
    parts: Pick<BuildKitParts, 'kept' | 'builder'>,
    job: Job,
    session: Session,
    inputs: Inputs,
    signal: AbortSignal,
  ) {
    this.#inputs = inputs;
    this.#parts = parts;
    this.#job = job;
    this.#session = session;
    this.#signal = signal;
  }

  async read(attributes: Attributes): Promise<Files> {
    const filename = attributes.filename || 'Dockerfile';
    const contexts = await this.#named(attributes);
    const address = attributes.context ?? '';
    if (isAddress(address)) {
      const { context, dockerfile } = await this.#remote(address, filename);
      const local = attributes.dockerfilekey;
      if (local === undefined) return { context, contexts, dockerfile };
      const { text } = await this.#definition(local, filename);
      return { context, contexts, dockerfile: { text, name: filename } };
    }
    const name = attributes.contextkey ?? localName(address) ?? 'context';
    const { text, ignore } = await this.#definition(attributes.dockerfilekey ?? 'dockerfile', filename);
    const excludes = ignore ?? (await this.#ignored(name));
    const context = await this.#directory('load build context', name, excludes);
    return { context, contexts, dockerfile: { text, name: filename } };
  }

  /** The Dockerfile alone, and the text of what it ignores. */
  async readDefinition(
    attributes: Attributes,
  ): Promise<{ text: string; ignore: string | undefined; filename: string }> {
    const filename = attributes.filename || 'Dockerfile';
    if (isAddress(attributes.context ?? '') && attributes.dockerfilekey === undefined) {
      throw new TareError(
        'not-implemented',
        'a Dockerfile at an address cannot be checked: build it instead',
      );
    }
    const { text, ignore } = await this.#definition(attributes.dockerfilekey ?? 'dockerfile', filename);
    return { text, ignore: ignore?.join('\n'), filename };
  }

  /** The Dockerfile, and the list of its own of what it ignores. */
  #definition(name: string, filename: string): Promise<{ text: string; ignore: string[] | undefined }> {
    const own = `${filename}${IGNORE}`;
    return this.#job.progress.during(
      `[internal] load build definition from ${filename}`,
      name,
      async (id) => {
        const files = await this.#texts(id, 'transferring dockerfile', { name, follow: [filename, own] });
        const text = files.read(filename);
        if (text === undefined) {
          throw new TareError(
            'invalid',
            `failed to read dockerfile: open ${filename}: no such file or directory`,
          );
        }
        this.#job.progress.about(filename, text);
        const ignore = files.read(own);
        return { text, ignore: ignore === undefined ? undefined : readIgnoreFile(ignore) };
      },
    );
  }

  #ignored(name: string): Promise<string[]> {
    const prefix = name === 'context' ? '' : `[context ${name}] `;
    return this.#job.progress.during(`[internal] ${prefix}load ${IGNORE}`, name, async (id) => {
      const files = await this.#texts(id, 'transferring context', { name, follow: [IGNORE] });
      return readIgnoreFile(files.read(IGNORE) ?? '');
    });
  }

  async #texts(vertex: string, what: string, selection: Selection): Promise<TextFiles> {
    const files = new TextFiles();
    let last = 0;
    await syncFiles(this.#session, selection, files, {
      signal: this.#signal,
      progress: (bytes) => {
        last = bytes;
      },
    });
    this.#job.progress.status(vertex, `${what}:`, what, last, 0, true);
    return files;
  }

  /** A directory of the client's, kept for the next build from the same place. */
  #directory(what: string, name: string, excludes: readonly string[]): Promise<BuildContext> {
    return this.#job.progress.during(`[internal] ${what}`, name, async (id) => {
      const place = this.#session.sharedKey || randomUUID();
      const sync = await this.#parts.kept.begin(`buildkit:${place}:${name}`);
      this.#job.onEnd(() => sync.release());
      const status = 'transferring context:';
      let last = 0;
      let told = 0;
      const progress = (bytes: number): void => {
        last = bytes;
        if (Date.now() - told < TELL) return;
        told = Date.now();
        this.#job.progress.status(id, status, 'transferring', bytes);
      };
      const files = new FramedFiles(sync);
      try {
        await syncFiles(this.#session, { name, excludes }, files, { signal: this.#signal, progress });
        await files.finish();
      } catch (error) {
        files.abort(error);
        throw error;
      }
      const { path, digestOf } = await sync.finish();
      this.#job.progress.status(id, status, 'transferring', last, 0, true);
      return { kind: 'directory', path, digestOf };
    });
  }

  async #remote(address: string, filename: string): Promise<Pick<Files, 'context' | 'dockerfile'>> {
    const url = parsed(address);
    if (url?.protocol === 'http:' && url.host === UPLOADS) {
      const stream = uploadOf(this.#session, url, this.#signal);
      return { context: { kind: 'tar', stream }, dockerfile: { path: filename } };
    }
    const name = `[internal] load remote build context`;
    return this.#job.progress.during(name, address, async () => {
      const remote = await this.#parts.builder.remoteContext(address, this.#signal);
      return {
        context: { kind: 'tar', stream: remote.context },
        dockerfile: { path: remote.dockerfile || filename },
      };
    });
  }

  async #named(attributes: Attributes): Promise<Record<string, BuildContext | ImageContext>> {
    const contexts: Record<string, BuildContext | ImageContext> = {};
    for (const [name, address] of Object.entries(namedContexts(attributes))) {
      contexts[name] = await this.#namedOne(name, address);
    }
    return contexts;
  }

  async #namedOne(name: string, address: string): Promise<BuildContext | ImageContext> {
    const image = /^docker-image:\/\/(.+)$/.exec(address);
    if (image !== null) return { kind: 'image', reference: image[1]! };
    const input = address.startsWith('input:') ? this.#inputs[address.slice('input:'.length)] : undefined;
    const result = input && imageOf(input);
    if (result !== undefined) return { kind: 'image', reference: result };
    const local = localName(address);
    if (local !== undefined) {
      return this.#directory(
        `[context ${name}] load from client`.replace('[internal] ', ''),
        local,
        await this.#ignored(local),
      );
    }
    if (isAddress(address)) return (await this.#remote(address, 'Dockerfile')).context;
    throw new TareError('not-implemented', `build context ${name}=${address} is not supported`);
  }
}

/** Milliseconds between words about how far a transfer is. */
const TELL = 100;

function localName(address: string): string | undefined {
  return address.startsWith('local:') ? address.slice('local:'.length) : undefined;
}

function isAddress(text: string): boolean {
  return /^(https?|git|ssh):\/\/|^git@/.test(text);
}

function parsed(address: string): URL | undefined {
  try {
    return new URL(address);
  } catch {
    return undefined;
  }
}
