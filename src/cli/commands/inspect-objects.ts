import { evaluate } from '../../base/template/evaluate.ts';
import { FUNCTIONS } from '../../base/template/functions.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure, describeError } from '../failure.ts';
import { omittedField, typedField } from '../format/go-nils.ts';
import { parseFormat } from '../format/listing.ts';

/** Exit code of a template that docker's inspect cannot parse. */
const EXIT_TEMPLATE = 64;

/** JSON for people: four spaces, as docker prints it; empty collections on one line. */
function pretty(objects: readonly unknown[]): string {
  return objects.length === 0 ? '[]\n' : `${JSON.stringify(objects, null, 4)}\n`;
}

/**
 * Prints the objects that `fetch` finds for `names`, as JSON or by a template. The first one not found ends it
 * with exit code 1, after those before it were printed.
 */
export async function inspectObjects(
  context: CommandContext,
  names: readonly string[],
  format: string,
  fetch: (name: string) => Promise<unknown>,
): Promise<number> {
  const asJson = format === '' || format === 'json';
  const template = asJson ? undefined : parseFormat(format, 'template parsing error', EXIT_TEMPLATE);
  const found: unknown[] = [];
  const problems: string[] = [];
  let output = '';
  for (const name of names) {
    let object: unknown;
    try {
      object = await fetch(name);
    } catch (error) {
      problems.push(describeError(error));
      continue;
    }
    found.push(object);
    if (template === undefined) continue;
    try {
      const options = { functions: FUNCTIONS, missingField: omittedField, readField: typedField };
      output += `${evaluate(template, object, options)}\n`;
    } catch (error) {
      context.console.out(output || '\n');
      throw new CommandFailure(`template parsing error: ${(error as Error).message}`);
    }
  }
  if (template !== undefined) context.console.out(output || '\n');
  else if (format === 'json') context.console.out(`${JSON.stringify(found)}\n`);
  else context.console.out(pretty(found));
  if (problems.length > 0) throw new CommandFailure(problems.join('\n'));
  return 0;
}
