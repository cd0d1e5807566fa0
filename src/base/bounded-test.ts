import { RE2JS } from 're2js';

/** From this many wildcards on a pattern's expression is run by RE2, whose time is linear in the text. */
const MANY = 3;

/**
 * A test by a regular expression that a stranger's pattern was made into. JavaScript's own engine tries all ways to
 * divide a text among wildcards: with each one more its time is multiplied by the text's length. `wildcards`: how many
 * there are. Throws a SyntaxError or RE2's own error for an expression that cannot be read.
 */
export function boundedTest(
  source: string,
  wildcards: number,
  flags: '' | 'u' = '',
): (text: string) => boolean {
  const native = new RegExp(source, flags);
  if (wildcards < MANY) return (text) => native.test(text);
  const linear = RE2JS.compile(source);
  return (text) => linear.matcher(text).find();
}
