import { CommandFailure } from '../failure.ts';
import { csvFields } from '../run/csv.ts';

/** One `--cache-to`. */
export type CacheTo =
  | { readonly type: 'inline' }
  | { readonly type: 'local'; readonly dest: string; readonly mode: 'min' | 'max' }
  | { readonly type: 'registry'; readonly ref: string; readonly mode: 'min' | 'max' };

/** One `--cache-from`. */
export type CacheFrom =
  | { readonly type: 'local'; readonly src: string }
  | { readonly type: 'registry'; readonly ref: string };

/** Of BuildKit's, what has no meaning here and does no harm. */
const IDLE = ['oci-mediatypes', 'image-manifest', 'compression', 'compression-level', 'force-compression'];

function fieldsOf(flag: string, text: string, known: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const equals = field.indexOf('=');
    if (equals < 0)
      throw new CommandFailure(`invalid ${flag} ${JSON.stringify(text)}: ${field} has no value`);
    const name = field.slice(0, equals).toLowerCase();
    if (![...known, ...IDLE].includes(name)) {
      throw new CommandFailure(
        `invalid ${flag} ${JSON.stringify(text)}: ${name} is not supported, leave it out`,
      );
    }
    fields.set(name, field.slice(equals + 1));
  }
  return fields;
}

/** @throws CommandFailure that says what is wrong. */
export function parseCacheTo(text: string): CacheTo {
  if (text === 'inline') return { type: 'inline' };
  if (!text.includes('=')) return { type: 'registry', ref: text, mode: 'min' };
  const fields = fieldsOf('--cache-to', text, ['type', 'dest', 'ref', 'mode', 'ignore-error']);
  const { type = '', dest = '', ref = '', mode = 'min' } = Object.fromEntries(fields);
  if (mode !== 'min' && mode !== 'max') throw new CommandFailure(`--cache-to ${text}: mode is min or max`);
  if (type === 'inline') return { type };
  if (type === 'local' && dest !== '') return { type, dest, mode };
  if (type === 'registry' && ref !== '') return { type, ref, mode };
  throw new CommandFailure(
    `--cache-to ${text} is not supported: use type=inline, type=local,dest=FOLDER or type=registry,ref=NAME`,
  );
}

/** Names with commas between them, or one with a type. @throws CommandFailure that says what is wrong. */
export function parseCacheFrom(text: string): CacheFrom[] {
  if (!text.includes('=')) {
    return text
      .split(',')
      .filter((ref) => ref !== '')
      .map((ref) => ({ type: 'registry', ref }));
  }
  const fields = fieldsOf('--cache-from', text, ['type', 'src', 'ref', 'tag', 'digest', 'ignore-error']);
  const { type = 'registry', src = '', ref = '' } = Object.fromEntries(fields);
  if (type === 'local' && src !== '') return [{ type, src }];
  if (type === 'registry' && ref !== '') return [{ type, ref }];
  throw new CommandFailure(
    `--cache-from ${text} is not supported: name an image, or use type=registry,ref=NAME or type=local,src=FOLDER`,
  );
}
