import { isKind, TareError } from '../../base/errors.ts';
import { formatPlatform, hostPlatform, parsePlatform } from '../../oci/platform.ts';
import { canonicalString, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { Image, ImageService, ImageWork } from '../images/images.ts';
import type { BuildRequest } from './builder.ts';
import { chainOf, EMPTY_CHAIN, type Task, type Vertex } from './graph/graph.ts';

/** Images that a build begins with or copies from, each looked for once. */
export class BaseImages {
  readonly #images: Pick<ImageService, 'find' | 'pull'>;
  readonly #work: ImageWork;
  readonly #request: BuildRequest;
  readonly #vertexId: (...parts: readonly unknown[]) => string;
  readonly #vertices = new Map<string, Vertex>();
  readonly #found = new Map<string, Image>();
  /** What else a name may have meant, to be told when there is no such image; empty: nothing. */
  hint: (name: string) => string = () => '';

  constructor(
    images: Pick<ImageService, 'find' | 'pull'>,
    work: ImageWork,
    request: BuildRequest,
    vertexId: (...parts: readonly unknown[]) => string,
  ) {
    this.#images = images;
    this.#work = work;
    this.#request = request;
    this.#vertexId = vertexId;
  }

  /** The vertex of an image by the name that the Dockerfile gives it; the empty root is `scratch`. */
  vertex(name: string, lines: Vertex['lines'], stage: string): Vertex {
    let vertex = this.#vertices.get(name);
    if (!vertex) {
      const isScratch = name === 'scratch';
      vertex = {
        id: this.idOf(name),
        name: isScratch ? '' : `${stage} FROM ${canonical(this.#referenceOf(name))}`,
        inputs: [],
        lines,
        fresh: false,
        work: {
          kind: 'source',
          take: async (task) => (isScratch ? EMPTY_CHAIN : chainOf(await this.#take(name, task))),
        },
      };
      this.#vertices.set(name, vertex);
    }
    return vertex;
  }

  idOf(name: string): string {
    return this.#vertexId('image', name);
  }

  /** When its vertex has been solved. */
  image(name: string): Image {
    const image = this.#found.get(name);
    if (!image) throw new TareError('internal', `the image ${name} has not been taken`);
    return image;
  }

  #referenceOf(name: string): string {
    const own = this.#request.contexts[name];
    return own?.kind === 'image' ? own.reference : name;
  }

  async #take(name: string, task: Task): Promise<readonly string[]> {
    const image = await this.#named(this.#referenceOf(name), task).catch((error) => {
      if (error instanceof TareError && error.kind !== 'cancelled') error.message += this.hint(name);
      throw error;
    });
    const layers = image.config.rootfs.diff_ids;
    // Asking holds them until the build ends.
    const missing = layers.find((diffId) => !this.#work.layers.hasLayer(diffId));
    if (missing !== undefined) {
      throw new TareError('corrupt', `the layer ${missing} of ${name} is missing: pull the image again`);
    }
    this.#found.set(name, image);
    return layers;
  }

  async #named(reference: string, task: Task): Promise<Image> {
    const { pull, auth } = this.#request;
    const here = this.#images.find(reference);
    if (here && !pull) return here;
    const { domain } = parseReference(reference);
    const credentials = await auth(domain);
    try {
      return await this.#images.pull(reference, {
        ...(credentials && { auth: credentials }),
        report: ({ status, id = '', current = 0, total = 0 }) => {
          if (status !== undefined) task.status({ id, name: status, current, total });
        },
        signal: task.signal,
      });
    } catch (error) {
      // A registry that is away is no reason to give up what is here.
      if (here && isKind(error, 'unavailable')) return here;
      throw error;
    }
  }
}

function canonical(reference: string): string {
  try {
    return canonicalString(withDefaultTag(parseReference(reference)));
  } catch {
    return reference;
  }
}

/** The platform that is built for: this machine's. Throws `not-implemented` for another one. */
export function checkPlatform(platform: string): ReturnType<typeof hostPlatform> {
  const host = hostPlatform();
  if (platform === '') return host;
  const wanted = parsePlatform(platform);
  if (wanted.os === host.os && wanted.architecture === host.architecture) return host;
  throw new TareError(
    'not-implemented',
    `building for ${platform} is not supported: this machine is ${formatPlatform(host)}`,
  );
}
