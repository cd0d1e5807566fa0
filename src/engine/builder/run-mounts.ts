import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { MountRequest } from '../containers/model.ts';
import { insideContext } from './context/inside-context.ts';
import { DockerfileError } from './dockerfile/dockerfile-error.ts';
import type { Span } from './dockerfile/parse.ts';

/** Where the mounts of a RUN get their contents. */
export interface MountSources {
  /** Directory of the context on the host. */
  readonly context: string;
  /** Directory for caches, one below it for each. */
  readonly caches: string;
  /** Id of the image that a stage or image name means. */
  readonly image: (ref: string) => Promise<string>;
}

const NO_SESSION =
  'needs a build session, which this API has not; give what is needed as a build argument or by COPY instead';

/** `--mount=type=…` of a RUN as a container's mount. Throws `DockerfileError`. */
export async function runMount(
  text: string,
  span: Span,
  workingDir: string,
  sources: MountSources,
): Promise<MountRequest> {
  const options = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (equals < 0) options.set(part.toLowerCase(), 'true');
    else options.set(part.slice(0, equals).toLowerCase(), part.slice(equals + 1));
  }
  const option = (...names: string[]): string =>
    names.map((name) => options.get(name)).find((value) => value !== undefined) ?? '';
  const type = option('type') || 'bind';
  if (type === 'secret' || type === 'ssh') {
    throw new DockerfileError(`--mount=type=${type} ${NO_SESSION}`, span);
  }
  const given = option('target', 'dst', 'destination');
  if (given === '') throw new DockerfileError(`--mount=type=${type} needs a target`, span);
  const target = posix.resolve('/', workingDir || '/', given);
  const base: MountRequest = { type: 'bind', source: '', target, readOnly: false, consistency: '' };
  if (type === 'tmpfs') {
    const size = Number(option('size') || 0);
    return { ...base, type: 'tmpfs', tmpfsOptions: { sizeBytes: size, mode: 0o1777, options: [] } };
  }
  if (type === 'cache') {
    const id = createHash('sha256')
      .update(option('id') || target)
      .digest('hex')
      .slice(0, 32);
    return {
      ...base,
      source: posix.join(sources.caches, id),
      readOnly: isSet(option('ro', 'readonly')),
      bindOptions: {
        propagation: '',
        nonRecursive: false,
        createMountpoint: true,
        readOnlyNonRecursive: false,
        readOnlyForceRecursive: false,
      },
    };
  }
  if (type !== 'bind') throw new DockerfileError(`unsupported mount type ${JSON.stringify(type)}`, span);
  if (isSet(option('rw', 'readwrite'))) {
    throw new DockerfileError('--mount=type=bind can only be read here: copy what has to be changed', span);
  }
  const from = option('from');
  const source = posix.resolve('/', option('source', 'src') || '/');
  if (from === '') return { ...base, source: await insideContext(sources.context, source), readOnly: true };
  const image = await sources.image(from);
  const subpath = source.slice(1);
  return { ...base, type: 'image', source: image, readOnly: true, imageOptions: { subpath } };
}

function isSet(value: string): boolean {
  return value !== '' && value !== 'false' && value !== '0';
}
