import { readFileSync } from 'node:fs';
import { CommandFailure } from '../failure.ts';
import { csvFields, keyValue } from '../run/csv.ts';

/** BuildKit's limit, in bytes. */
const LARGEST = 500 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/** Values of `--secret`, by id, in base64. Read once, when the build begins. @throws CommandFailure */
export function readSecrets(texts: readonly string[], environment: Environment): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const { id, file, variable } = parseSecret(text, environment);
      const value = variable === undefined ? readFile(file, id) : Buffer.from(environment[variable] ?? '');
      if (value.length > LARGEST) {
        throw new CommandFailure(
          `invalid secret ${id}: it has ${value.length} bytes, the limit are ${LARGEST}`,
        );
      }
      return [id, value.toString('base64')];
    }),
  );
}

interface Secret {
  readonly id: string;
  readonly file: string;
  /** In place of the file. */
  readonly variable?: string;
}

function parseSecret(text: string, environment: Environment): Secret {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    if (!field.includes('=')) throw invalid(text, `${JSON.stringify(field)} must be a key=value pair`);
    const [key, value = ''] = keyValue(field);
    fields.set((key ?? '').toLowerCase(), value);
  }
  for (const key of fields.keys()) {
    if (!['type', 'id', 'source', 'src', 'env'].includes(key)) throw invalid(text, `unexpected key '${key}'`);
  }
  const type = fields.get('type') ?? '';
  if (!['', 'file', 'env'].includes(type)) throw invalid(text, `unsupported secret type '${type}'`);
  const id = fields.get('id') ?? '';
  if (id === '') throw invalid(text, "give it an id, as in 'id=NAME,src=FILE'");
  const source = fields.get('source') ?? fields.get('src') ?? '';
  let variable = fields.get('env');
  if (type === 'env' && variable === undefined && source !== '') return { id, file: '', variable: source };
  if (source === '' && variable === undefined && type !== 'file' && environment[id] !== undefined)
    variable = id;
  return { id, file: source || id, ...(variable === undefined ? {} : { variable }) };
}

const invalid = (text: string, why: string): CommandFailure =>
  new CommandFailure(`invalid secret ${JSON.stringify(text)}: ${why}`);

function readFile(path: string, id: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const missing = (error as { code?: string }).code === 'ENOENT';
    throw new CommandFailure(
      missing
        ? `failed to read secret ${id}: stat ${path}: no such file or directory`
        : `failed to read secret ${id}: ${(error as Error).message}`,
    );
  }
}
