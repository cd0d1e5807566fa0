import { CommandFailure } from '../failure.ts';
import { csvFields, keyValue } from '../run/csv.ts';

/** One `--output`: what becomes of the result. */
export interface BuildOutput {
  /** `image` stays in the daemon only. */
  readonly type: 'image' | 'docker' | 'oci' | 'tar' | 'local';
  /** A path, `-` for stdout, or empty. */
  readonly dest: string;
  readonly push: boolean;
  /** Further names of the image. */
  readonly names: readonly string[];
}

const TYPES = ['image', 'docker', 'oci', 'tar', 'local', 'registry'];
const YES = ['', 'true', '1'];

/** Reads one `--output`. @throws CommandFailure that says what is wrong. */
export function parseOutput(text: string): BuildOutput {
  if (text === '-') return { type: 'tar', dest: '-', push: false, names: [] };
  if (!text.includes('=')) return { type: 'local', dest: text, push: false, names: [] };
  const fields = new Map(csvFields(text).map((field) => keyValue(field)));
  const type = fields.get('type') ?? '';
  const dest = fields.get('dest') ?? '';
  if (!TYPES.includes(type)) {
    throw new CommandFailure(
      `invalid output ${JSON.stringify(text)}: give a type, one of ${TYPES.join(', ')}, as in type=local,dest=PATH`,
    );
  }
  for (const name of fields.keys()) {
    if (!['type', 'dest', 'name', 'push'].includes(name)) {
      throw new CommandFailure(
        `invalid output ${JSON.stringify(text)}: ${name} is not supported, leave it out`,
      );
    }
  }
  if (['tar', 'local', 'oci'].includes(type) && (dest === '' || (type === 'local' && dest === '-'))) {
    throw new CommandFailure(`invalid output ${JSON.stringify(text)}: dest is required for ${type} output`);
  }
  return {
    // A registry's output is a push, an archive's without a place is the daemon's own store.
    type: type === 'registry' || (type === 'docker' && dest === '') ? 'image' : (type as BuildOutput['type']),
    dest,
    push: type === 'registry' || YES.includes(fields.get('push') ?? (fields.has('push') ? '' : 'no')),
    names: (fields.get('name') ?? '').split(',').filter((name) => name !== ''),
  };
}
