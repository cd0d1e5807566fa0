import { toByteString } from '../../../archive/byte-string.ts';
import { tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { decompressedWithin } from '../../../archive/unpack-limit.ts';
import { TareError } from '../../../base/errors.ts';
import { streamOf } from '../../../base/streams.ts';
import type { ImageWork } from '../../images/images.ts';
import type { BuildRequest, TarContext } from '../builder.ts';
import { ignoredFiles, readDockerfile } from '../context/context-files.ts';
import { type Chain, chainOf, extended } from '../graph/graph.ts';
import { type ContextPlace, ContextTree } from './context-tree.ts';
import { hidingMembers } from './copy-members.ts';
import type { Roots } from './roots.ts';

/**
 * The contexts of one build. One that comes as a tar becomes a layer as it is: that is one sequential write, where
 * making its files is thousands.
 */
export class Contexts {
  readonly #request: BuildRequest;
  readonly #work: ImageWork;
  readonly #roots: Roots;
  readonly #limit: () => number;
  readonly #open = new Map<string, Promise<ContextTree>>();
  #dockerfile: string | undefined;

  /** `limit`: bytes that a context may have. */
  constructor(request: BuildRequest, work: ImageWork, roots: Roots, limit: () => number) {
    this.#request = request;
    this.#work = work;
    this.#roots = roots;
    this.#limit = limit;
  }

  /** The build's own by the empty name, or one of --build-context. */
  open(name: string): Promise<ContextTree> {
    let opened = this.#open.get(name);
    if (!opened) {
      opened = this.#bring(name);
      opened.catch(() => {});
      this.#open.set(name, opened);
    }
    return opened;
  }

  /** The Dockerfile's text, also when the ignore file names it. */
  async dockerfile(path: string): Promise<string> {
    const tree = await this.open('');
    if (this.#dockerfile !== undefined) return this.#dockerfile;
    const view = await tree.another();
    try {
      return await readDockerfile(view, path);
    } finally {
      await view.close();
    }
  }

  async close(): Promise<void> {
    for (const opened of this.#open.values()) {
      const tree = await opened.catch(() => undefined);
      await tree?.close();
    }
  }

  async #bring(name: string): Promise<ContextTree> {
    const context = name === '' ? this.#request.context : this.#request.contexts[name];
    if (!context || context.kind === 'image') throw new TareError('internal', `there is no context ${name}`);
    return await ContextTree.open(
      context.kind === 'tar' ? await this.#receive(name, context) : context,
      this.#roots,
    );
  }

  async #receive(name: string, { stream }: TarContext): Promise<ContextPlace> {
    const { layers } = this.#work;
    const plain = decompressedWithin(stream, { maxBytes: this.#limit() });
    const { diffId } = await layers.applyLayer(undefined, streamOf(withEnd(plain)));
    const chain = chainOf([diffId]);
    const { dockerfile } = this.#request;
    if (name !== '' || !('path' in dockerfile)) return { kind: 'chain', chain };
    return { kind: 'chain', chain: await this.#hidden(chain, dockerfile.path) };
  }

  async #hidden(chain: Chain, dockerfile: string): Promise<Chain> {
    const view = await this.#roots.view(chain);
    try {
      this.#dockerfile = await readDockerfile(view, dockerfile);
      const ignored = await ignoredFiles(view, dockerfile);
      if (ignored.length === 0) return chain;
      const members = hidingMembers(`${toByteString(view.place)}/.`, ignored.map(toByteString));
      return extended(chain, (await this.#work.layers.applyLayer(undefined, { members })).diffId);
    } finally {
      await view.close();
    }
  }
}

/**
 * The docker CLI leaves the last member's padding and the archive's end out when it puts another Dockerfile into it.
 * More zeros behind an end do no harm.
 */
async function* withEnd(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of tar) {
    size += piece.byteLength;
    yield piece;
  }
  yield tarPadding(size);
  yield tarEnd();
}
