/** Dockerfiles that nobody meant: each is compiled or refused with an error of ours, and none takes long. */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TareError } from '../../src/base/errors.ts';
import { readIgnoreFile } from '../../src/base/ignore-file.ts';
import { PathPatterns, PatternError } from '../../src/base/path-patterns.ts';
import { compile } from '../../src/engine/builder/dockerfile/compile.ts';
import { configAfter } from '../../src/engine/builder/dockerfile/image-config.ts';
import { checkOptionsOf, lint } from '../../src/engine/builder/dockerfile/lint/lint.ts';
import { parseDockerfile } from '../../src/engine/builder/dockerfile/parse.ts';
import { resolve } from '../../src/engine/builder/dockerfile/resolve.ts';
import { parseRunMount } from '../../src/engine/builder/dockerfile/run-mount.ts';
import { resolveStages, stagesFor } from '../../src/engine/builder/dockerfile/stage-graph.ts';
import { parseGitAddress } from '../../src/engine/builder/sources/git-address.ts';
import { mutated, Random } from './random.ts';

const GOLDEN = join(import.meta.dir, '..', 'golden', 'dockerfiles');
const SEEDS = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.txt'))
  .flatMap((name) =>
    readFileSync(join(GOLDEN, name), 'utf8')
      .split(/^==== .*\n/m)
      .slice(1),
  );
/** Pieces that mean something to some layer of the language. */
const PIECES = [
  ...[
    '\\\n',
    '`\n',
    '<<EOF',
    '<<-"E"',
    '\nEOF\n',
    '${A:-',
    '${A#',
    '${A//',
    '}',
    '$',
    "'",
    '"',
    '[',
    ']',
    '["a"]',
  ],
  ...[
    '--mount=',
    '--from=',
    '--chmod=',
    'type=cache',
    ',',
    '=',
    ':',
    '#',
    '# escape=`\n',
    '# check=skip=',
    '\0',
  ],
  ...[
    'FROM ',
    '\nRUN ',
    '\nCOPY ',
    '\nONBUILD ',
    '\nARG ',
    ' AS ',
    '\r\n',
    '\t',
    ' ',
    '*',
    '**',
    '!',
    '🐳',
    '\ud800',
  ],
];
/** Milliseconds; a hang, and nothing less, passes it. */
const LONG = 10_000;

function work(text: string): void {
  const file = parseDockerfile(text);
  const compiled = compile(file);
  const lookup = (name: string): string | undefined => (name.length % 2 === 0 ? `v${name}` : undefined);
  const subject = {
    file,
    compiled,
    given: lookup,
    platform: lookup,
    ignored: PathPatterns.parse(['a/*', '!a/b']),
  };
  lint({ ...subject, environmentOf: () => [] }, checkOptionsOf(file, undefined));
  const { stages } = resolveStages(compiled, lookup, lookup);
  stagesFor(stages, '');
  for (const instruction of stages.flatMap(({ instructions }) => instructions)) {
    const step = resolve(instruction, lookup, file.escapeChar);
    configAfter({}, step, false);
    if (step.kind === 'run') for (const mount of step.mounts) parseRunMount(mount, step.span);
  }
}

/** Throws what is no refusal of ours. */
function attempt(text: string, body: (text: string) => void): void {
  const start = performance.now();
  try {
    body(text);
  } catch (error) {
    if (!(error instanceof TareError) && !(error instanceof PatternError)) {
      throw new Error(`${JSON.stringify(text)}: ${error}`, { cause: error });
    }
    if (error instanceof TareError && error.kind !== 'invalid') throw error;
  }
  const taken = performance.now() - start;
  if (taken > LONG) throw new Error(`${JSON.stringify(text.slice(0, 2000))} took ${taken} ms`);
}

function assembled(random: Random): string {
  let text = random.chance(0.8) ? 'FROM a\n' : '';
  for (let count = random.below(30); count > 0; count--) {
    text += random.chance(0.2) ? random.pick(random.pick(SEEDS).split('\n')) : random.pick(PIECES);
  }
  return text;
}

const seed = Number(process.env.FUZZ_SEED ?? 1);
const rounds = Number(process.env.FUZZ_ROUNDS ?? 4000);

test('Dockerfiles that were changed', () => {
  const random = new Random(seed);
  for (let round = 0; round < rounds; round++) {
    attempt(mutated(random, Buffer.from(random.pick(SEEDS))).toString(), work);
  }
}, 120_000);

test('Dockerfiles put together of pieces', () => {
  const random = new Random(seed);
  for (let round = 0; round < rounds; round++) attempt(assembled(random), work);
}, 120_000);

test('what is large', () => {
  const many = 50_000;
  for (const text of [
    `FROM a\n${'RUN x\n'.repeat(many)}`,
    `FROM a\nRUN x${' \\\n y'.repeat(many)}`,
    `FROM a\nENV${' a=b'.repeat(many)}`,
    `FROM a\nENV a=${'$'.repeat(many)}`,
    `FROM a\nENV a=${'${b:-'.repeat(many)}`,
    `FROM a\nENV a=${'"'.repeat(many)}`,
    `FROM a\nCOPY${' <<X'.repeat(500)} /x/\n${'X\n'.repeat(500)}`,
    `FROM a\nRUN ${'<<'.repeat(many)}`,
    `FROM a\nRUN ${'['.repeat(many)}`,
    `FROM a\nCMD ${'['.repeat(many)}${']'.repeat(many)}`,
    `FROM a\nONBUILD ${'RUN '.repeat(many)}`,
    `FROM a\nRUN --mount=${'target=/x,'.repeat(many)}type=cache x`,
    `FROM a\n${'#\n'.repeat(many)}`,
    `# ${'='.repeat(many)}\nFROM a`,
    `${'FROM a AS b\n'.repeat(2000)}`,
    `FROM a\n${' '.repeat(many)}RUN${'\t'.repeat(many)}x`,
    `FROM a\nEXPOSE 1-65535\nEXPOSE 1-65535/udp`,
  ]) {
    attempt(text, work);
  }
}, 240_000);

test('ignore files and git addresses', () => {
  const random = new Random(seed);
  const rules = ['**/*.a\n!b/**\n[a-z]?\n\\*\n/x/../y\n', '*\n!*/\n', '[', 'a**b**c\n'];
  const addresses = ['https://h/x.git#a:b', 'git@h:x.git?ref=a&subdir=b', 'ssh://u@h:22/x#%2e%2e'];
  for (let round = 0; round < rounds; round++) {
    attempt(mutated(random, Buffer.from(random.pick(rules))).toString(), (text) => {
      const patterns = PathPatterns.parse(readIgnoreFile(text));
      for (const path of ['a', 'a/b/c.a', 'x y', 'aaaaaaaaaaaaaaaaaaaaaaaa/b']) patterns.match(path);
    });
    attempt(mutated(random, Buffer.from(random.pick(addresses))).toString(), (text) => {
      const { remote, ref } = parseGitAddress(text);
      expect(remote.startsWith('-') || ref.startsWith('-')).toBe(false);
    });
  }
}, 120_000);
