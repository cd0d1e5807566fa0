import { TareError } from '../../base/errors.ts';
import type { CheckResult } from '../../engine/builder/checks.ts';
import type { BuildKitParts } from '../buildkit.ts';
import { type Attributes, requestOf } from './attributes.ts';
import type { ContextReader } from './contexts.ts';
import type { Metadata } from './jobs.ts';

const LINT = 'frontend.lint';
const DESCRIBE = 'frontend.subrequests.describe';
/** Of the answers' form. */
const VERSION = '0.1.0';

/**
 * Answers what is asked of a frontend instead of a build (`docker build --check`): text for people and JSON for
 * programs, as a result's metadata. Throws `not-implemented` in BuildKit's words for what is not known.
 */
export async function subrequest(
  { checks, defaults }: Pick<BuildKitParts, 'checks' | 'defaults'>,
  name: string,
  attributes: Attributes,
  reader: ContextReader,
): Promise<Metadata> {
  if (name === DESCRIBE) return described();
  if (name !== LINT) throw new TareError('not-implemented', `unsupported request ${name}`);
  const { args, target, platform } = requestOf(attributes, defaults().hostConfig);
  const { text, ignore, filename } = await reader.readDefinition(attributes);
  const result = checks.check({ text, ignore, args, target, platform });
  return {
    version: bytes(VERSION),
    'result.json': bytes(JSON.stringify(jsonOf(result, filename, text))),
    'result.txt': bytes(textOf(result, filename, text)),
    'result.statuscode': bytes(result.error || result.warnings.length > 0 ? '1' : '0'),
  };
}

function described(): Metadata {
  const requests = [
    { name: LINT, version: VERSION, type: 'rpc', description: 'Lint a Dockerfile' },
    { name: DESCRIBE, version: '1.0.0', type: 'rpc', description: 'List available subrequest types' },
  ];
  const text = requests.map((request) => `${request.name}\t${request.description}\n`).join('');
  return {
    version: bytes('1.0.0'),
    'result.json': bytes(JSON.stringify(requests)),
    'result.txt': bytes(text),
  };
}

/** Lines of a file, in BuildKit's form. */
function locationOf(span: { first: number; last: number } | undefined) {
  const ranges = span === undefined ? [] : [{ start: { line: span.first }, end: { line: span.last } }];
  return { sourceIndex: 0, ranges };
}

function jsonOf({ warnings, error }: CheckResult, filename: string, text: string) {
  return {
    warnings: warnings.map(({ rule, description, url, text: detail, span }) => ({
      ruleName: rule,
      description,
      url,
      detail,
      location: locationOf(span),
    })),
    sources: [{ filename, language: 'Dockerfile', data: Buffer.from(text).toString('base64') }],
    ...(error && { buildError: { message: error.message, location: locationOf(error.span) } }),
  };
}

function textOf({ warnings, error }: CheckResult, filename: string, text: string): string {
  const lines = text.split('\n');
  const rule = '-'.repeat(20);
  const parts = warnings.map(({ rule: name, url, text: detail, span }) => {
    const around = lines.flatMap((line, index) => {
      const number = index + 1;
      if (number < span.first - 2 || number > span.last + 2) return [];
      const mark = number >= span.first && number <= span.last ? '>>>' : '   ';
      return [`${String(number).padStart(4)} | ${mark} ${line}`];
    });
    const place = [`${filename}:${span.first}`, rule, ...around, rule].join('\n');
    return `\nWARNING: ${name}${url === '' ? '' : ` - ${url}`}\n${detail}\n${place}\n`;
  });
  return `${parts.join('')}${error ? `\nERROR: ${error.message}\n` : ''}`;
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}
