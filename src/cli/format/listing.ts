import { evaluate } from '../../base/template/evaluate.ts';
import { FUNCTIONS, type TemplateFunction } from '../../base/template/functions.ts';
import type { Template } from '../../base/template/nodes.ts';
import { parseTemplate } from '../../base/template/parser.ts';
import { Row, type Value } from '../../base/template/values.ts';
import { CommandFailure } from '../failure.ts';
import { alignTabs } from './table.ts';

/**
 * Prints a list as docker does: as a table, as JSON, or by a template. A kind of list has one definition: the
 * headings of its fields and its default tables; a row gives the fields' values by name.
 */
export interface Listing {
  /** Field → heading in a table. Fields without one can't be a column of their own. */
  readonly headings: Readonly<Record<string, string>>;
  /** What docker calls the type of a row, for the message about an unknown field. */
  readonly typeName: string;
  /** How docker begins its complaints about a template, where it is not as most of its lists. */
  readonly complaints?: { readonly parse: string; readonly execute: string };
}

/** How most lists begin a complaint about a template. */
const COMPLAINT = 'template parsing error';

const FUNCTION_NAMES: ReadonlySet<string> = new Set([...Object.keys(FUNCTIONS), 'and', 'or']);

/** In the heading line of a table these leave their argument as it is. */
const HEADING_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  ...FUNCTIONS,
  json: (value) => value,
  title: (value) => value,
  lower: (value) => value,
  upper: (value) => value,
  truncate: (value, _length) => value,
};

/** Parses a `--format` with docker's words for a mistake. */
export function parseFormat(source: string, problem = COMPLAINT, exitCode = 1): Template {
  try {
    return parseTemplate(source, FUNCTION_NAMES);
  } catch (error) {
    throw new CommandFailure(`${problem}: ${(error as Error).message}`, exitCode);
  }
}

/** `\t` and `\n` in a format stand for a tab and a line break, as people write them in a shell. */
const unescapeFormat = (format: string): string => format.replaceAll('\\t', '\t').replaceAll('\\n', '\n');

function executeRow(template: Template, row: Row, listing: Listing): string {
  try {
    return evaluate(template, row, {
      functions: FUNCTIONS,
      missingField: (_, name) => {
        throw new Error(`can't evaluate field ${name} in type ${listing.typeName}`);
      },
    });
  } catch (error) {
    const complaint = listing.complaints?.execute ?? COMPLAINT;
    throw new CommandFailure(`${complaint}: ${(error as Error).message}`);
  }
}

function heading(template: Template, listing: Listing): string {
  // `{{.Label "com.example.some-key"}}` is headed by the key's last part.
  const Label = (key: unknown) => String(key).split('.').at(-1)!.replace(/[-_]/g, ' ');
  const headings = { ...listing.headings, Label };
  return evaluate(template, headings, { functions: HEADING_FUNCTIONS, missingField: () => undefined });
}

/**
 * The text of a list.
 * @param format what `--format` says; empty for the default table
 * @param table the template of the default table
 */
export function formatListing(listing: Listing, format: string, table: string, rows: readonly Row[]): string {
  const wanted =
    format === '' || format === 'table' ? `table ${table}` : format === 'json' ? '{{json .}}' : format;
  const isTable = wanted.startsWith('table');
  const source = unescapeFormat(isTable ? wanted.slice('table'.length).trim() : wanted);
  const template = parseFormat(source, listing.complaints?.parse);
  let output = '';
  for (const row of rows) output += `${executeRow(template, row, listing)}\n`;
  return isTable ? alignTabs(`${heading(template, listing)}\n${output}`) : output;
}

/**
 * One object by a template, for commands that print single objects (`version`, `info`, `events`).
 * @param typeName what docker calls its type, for the message about an unknown field
 */
export function formatValueBy(template: Template, value: Value, typeName: string): string {
  return evaluate(template, value, {
    functions: FUNCTIONS,
    missingField(object, name) {
      // A map of texts (labels, attributes) may lack any key; other objects are of fixed shape.
      const isTextMap = object !== value && Object.values(object).every((field) => typeof field === 'string');
      if (isTextMap) return undefined;
      throw new Error(`can't evaluate field ${name} in type ${typeName}`);
    },
  });
}

class Lazy {
  readonly compute: () => Value;

  constructor(compute: () => Value) {
    this.compute = compute;
  }
}

/**
 * A field that is computed when it is asked for: a date in the local zone costs 5 ms, more than all the rest of a
 * list, and only few formats show one.
 */
export function lazy(compute: () => Value): Value {
  return new Lazy(compute);
}

/** A row from its fields: in alphabetic order, as `{{json .}}` prints them. */
export function row(fields: Readonly<Record<string, Value>>): Row {
  const result = new Row();
  for (const name of Object.keys(fields).sort()) {
    const field = fields[name];
    if (field instanceof Lazy) Object.defineProperty(result, name, { get: field.compute, enumerable: true });
    else result[name] = field;
  }
  return result;
}
