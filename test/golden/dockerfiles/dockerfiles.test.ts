/**
 * Dockerfiles of all shapes, by theme: what they are compiled to, with their variables replaced, and what they make of an
 * image's configuration, or the error. `NAME.txt` has them, `NAME.expected` the outcome.
 */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../../../src/engine/builder/dockerfile/compile.ts';
import { DockerfileError } from '../../../src/engine/builder/dockerfile/dockerfile-error.ts';
import { expandWord } from '../../../src/engine/builder/dockerfile/expand.ts';
import { configAfter } from '../../../src/engine/builder/dockerfile/image-config.ts';
import type { Instruction } from '../../../src/engine/builder/dockerfile/instructions.ts';
import { parseDockerfile } from '../../../src/engine/builder/dockerfile/parse.ts';
import { resolve } from '../../../src/engine/builder/dockerfile/resolve.ts';
import { parseRunMount } from '../../../src/engine/builder/dockerfile/run-mount.ts';
import {
  type ResolvedStage,
  resolveStages,
  stagesFor,
} from '../../../src/engine/builder/dockerfile/stage-graph.ts';
import { Scope } from '../../../src/engine/builder/scope.ts';
import type { ImageRunConfig } from '../../../src/oci/image-config.ts';

const HERE = import.meta.dir;
const themes = readdirSync(HERE)
  .filter((name) => name.endsWith('.txt'))
  .sort();
const casesOf = (theme: string) =>
  readFileSync(join(HERE, theme), 'utf8')
    .split(/^==== /m)
    .slice(1)
    .map((text) => ({ name: text.slice(0, text.indexOf('\n')), text: text.slice(text.indexOf('\n') + 1) }));

const PLATFORM: Record<string, string> = {
  ...{ BUILDPLATFORM: 'linux/amd64', BUILDOS: 'linux', BUILDARCH: 'amd64', BUILDVARIANT: '' },
  ...{ TARGETPLATFORM: 'linux/arm64', TARGETOS: 'linux', TARGETARCH: 'arm64', TARGETVARIANT: '' },
};
const nothing = () => undefined;

/** What stands out: neither where it is nor what it has not. */
function shown(instruction: Instruction): string {
  const { kind, span, text, ...rest } = instruction;
  const fields = Object.entries(rest).filter(
    ([, value]) => value !== '' && value !== false && value !== undefined && !(Array.isArray(value) && !value.length),
  );
  const lines = span.first === span.last ? `${span.first}` : `${span.first}-${span.last}`;
  return `  ${lines} ${kind} ${JSON.stringify(Object.fromEntries(fields))}`;
}

function* stageLines(
  stage: ResolvedStage,
  escapeChar: string,
  globals: ReadonlyMap<string, string | undefined>,
  configs: Map<ResolvedStage, ImageRunConfig>,
): Generator<string> {
  const { base, platform, name, index } = stage;
  const from = base.kind === 'stage' ? `stage ${base.stage.index}` : base.kind === 'scratch' ? 'scratch' : base.reference;
  yield `stage ${index}${name && ` ${name}`} from ${from}${platform && ` for ${platform}`}`;
  let config: ImageRunConfig = (base.kind === 'stage' && configs.get(base.stage)) || {};
  const scope = new Scope({}, PLATFORM, globals);
  let ownCommand = false;
  for (const instruction of stage.instructions) {
    scope.setEnvironment(config.Env ?? []);
    const step = resolve(instruction, scope.lookup, escapeChar);
    yield shown(step);
    if (step.kind === 'arg') {
      for (const { name, fallback } of step.args) {
        scope.declare(name, fallback === undefined ? undefined : expandWord(fallback, scope.lookup, escapeChar));
      }
    }
    if (step.kind === 'run') for (const mount of step.mounts) yield `    ${JSON.stringify(parseRunMount(mount, step.span))}`;
    config = configAfter(config, step, ownCommand);
    ownCommand ||= step.kind === 'cmd';
  }
  configs.set(stage, config);
  if (Object.keys(config).length > 0) yield `  = ${JSON.stringify(config)}`;
}

function* linesOf(text: string): Generator<string> {
  try {
    const parsed = parseDockerfile(text);
    const file = compile(parsed);
    if (Object.keys(file.directives).length > 0) yield `directives ${JSON.stringify(file.directives)}`;
    for (const instruction of file.globals) yield shown(instruction);
    const { stages, globals } = resolveStages(file, nothing, (name) => PLATFORM[name]);
    const configs = new Map<ResolvedStage, ImageRunConfig>();
    for (const stage of stages) yield* stageLines(stage, file.escapeChar, globals, configs);
    const needed = stagesFor(stages, '').map(({ index }) => index);
    if (stages.length > 1) yield `needs ${needed.join(' ')}`;
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    yield `ERROR ${error.message}`;
  }
}

test.each(themes)('%s', (theme) => {
  const actual = casesOf(theme)
    .map(({ name, text }) => [`==== ${name}`, ...linesOf(text), ''].join('\n'))
    .join('');
  const path = join(HERE, theme.replace('.txt', '.expected'));
  // UPDATE_GOLDEN=1 writes what it makes now; look at the difference before you commit it.
  if (process.env.UPDATE_GOLDEN) writeFileSync(path, actual);
  else expect(actual).toBe(readFileSync(path, 'utf8'));
});

test('they are many, and no two have one name', () => {
  const names = themes.flatMap((theme) => casesOf(theme).map(({ name }) => `${theme} ${name}`));
  expect(names.length).toBeGreaterThanOrEqual(300);
  expect(new Set(names).size).toBe(names.length);
});
