import type { Template } from '../../base/template/nodes.ts';
import type { Value } from '../../base/template/values.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { formatValueBy } from '../format/listing.ts';

/** Prints one object by a template; an unknown field fails with docker's words. */
export function printByTemplate(
  context: CommandContext,
  template: Template,
  value: Value,
  typeName: string,
): void {
  let text = '';
  let problem = '';
  try {
    text = formatValueBy(template, value, typeName);
  } catch (error) {
    problem = (error as Error).message;
  }
  context.console.out(`${text}\n`);
  if (problem !== '') throw new CommandFailure(problem);
}
