// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
import { describe, expect, test } from 'bun:test';
import { compile } from './compile.ts';
import type { Instruction } from './instructions.ts';
import { parseDockerfile } from './parse.ts';
import { resolve } from './resolve.ts';
import { resolveStages, stagesFor } from './stage-graph.ts';

const compiled = (text: string) => compile(parseDockerfile(text));
/** The one instruction after FROM, without where it stands. */
function one(line: string): Record<string, unknown> {
  const [instruction] = compiled(`FROM a\n${line}\n`).stages[0]!.instructions;
  const { span, text, ...rest } = instruction as Instruction;
  return rest;
}

describe('compile', () => {
  test.each([
    ['CMD ["a", "b"]', { kind: 'cmd', command: { form: 'exec', words: ['a', 'b'] } }],
    ['CMD a  b', { kind: 'cmd', command: { form: 'shell', line: 'a  b' } }],
    ['CMD', { kind: 'cmd', command: { form: 'exec', words: [] } }],
    ['ENV a b c', { kind: 'env', pairs: [{ key: 'a', value: 'b c' }], legacy: true }],
    ['EXPOSE 80 443/udp', { kind: 'expose', ports: ['443/udp', '80'] }],
    ['VOLUME ["/a b", "/c"]', { kind: 'volume', paths: ['/a b', '/c'] }],
    ['SHELL ["/bin/bash", "-c"]', { kind: 'shell', words: ['/bin/bash', '-c'] }],
    ['HEALTHCHECK NONE', { kind: 'healthcheck', check: undefined }],
    ['ONBUILD COPY . /x', { kind: 'onbuild', trigger: 'COPY . /x' }],
    ['USER a:b', { kind: 'user', user: 'a:b' }],
    [
      'ARG a b=c',
      {
        kind: 'arg',
        args: [
          { name: 'a', fallback: undefined },
          { name: 'b', fallback: 'c' },
        ],
      },
    ],
  ])('%s', (line, expected) => {
    expect(one(line)).toEqual(expected);
  });

  test('a here-document alone is the command; one with a shebang is a file', () => {
    expect(one('RUN <<EOF\na\nb\nEOF').command).toEqual({ form: 'shell', line: 'a\nb\n' });
    expect(one('RUN <<EOF cat\na\nEOF').command).toEqual({ form: 'shell', line: '<<EOF cat\na\nEOF' });
    const script = { form: 'script', name: 'EOF', content: '#!/usr/bin/python3\nx\n' };
    expect(one('RUN <<EOF\n#!/usr/bin/python3\nx\nEOF').command).toEqual(script);
  });

  test('the flags of COPY and ADD', () => {
    const copy = one(
      'COPY --from=x --chown=1:2 --chmod=u+x --link --parents --exclude=*.a --exclude=b c d /e/',
    );
    expect(copy).toMatchObject({ from: 'x', chown: '1:2', chmod: 'u+x', link: true, parents: true });
    expect(copy).toMatchObject({ exclude: ['*.a', 'b'], sources: ['c', 'd'], destination: '/e/' });
    expect(one('ADD --unpack=false --keep-git-dir --checksum=sha256:0 https://x/y /')).toMatchObject({
      ...{ kind: 'add', unpack: false, keepGitDir: true, checksum: 'sha256:0' },
    });
  });

  test.each([
    ['FROM a b', 'FROM requires either one or three arguments'],
    ['FROM a AS 1', 'invalid name for build stage'],
    ['FROM a\nCOPY x', 'COPY requires at least two arguments'],
    ['FROM a\nCOPY --chwon=1 x y', 'unknown flag: --chwon (did you mean --chown?)'],
    ['FROM a\nCOPY --from=$x y z', 'variable expansion is not supported for --from'],
    ['FROM a\nCOPY --link=perhaps y z', 'expecting boolean value for flag link'],
    ['FROM a\nCOPY --chmod=999 y z', 'invalid chmod parameter'],
    ['FROM a\nCOPY a <<EOF\nEOF', 'cannot accept a heredoc as a destination'],
    ['FROM a\nRUN --mount=type=cahce,target=/x y', '(did you mean cache?)'],
    ['FROM a\nRUN --mount=type=tmpfs,target=/x,uid=1 y', 'uid not allowed for "tmpfs" type mounts'],
    ['FROM a\nRUN --mount=type=cache y', 'needs a target'],
    ['FROM a\nRUN --mount=type=bind,target=/x,from=$y z', "'from' doesn't support variable expansion"],
    ['FROM a\nRUN --network=lan x', 'unsupported network mode "lan"'],
    ['FROM a\nRUN', 'RUN requires a command'],
    ['FROM a\nCMD [1]', 'arrays must be comprised of strings only'],
    ['FROM a\nCMD --x', 'unknown flag: --x'],
    ['FROM a\nSHELL bash -c', 'write SHELL ["bash", "-c"]'],
    ['FROM a\nENV a=b c', 'Syntax error - can\'t find = in "c"'],
    ['FROM a\nHEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
    ['FROM a\nHEALTHCHECK --interval=1 CMD x', 'missing unit in duration'],
    ['FROM a\nHEALTHCHECK CDM x', 'Unknown type "CDM"'],
    ['FROM a\nONBUILD FROM b', "FROM isn't allowed as an ONBUILD trigger"],
    ['FROM a\nONBUILD COPY x', 'COPY requires at least two arguments'],
    ['FROM a\nWORKDIR', 'WORKDIR requires exactly one argument'],
    ['RUN x\nFROM a', 'no build stage in current context'],
    ['ARG x', 'no build stage'],
  ])('%j is refused', (text, message) => {
    expect(() => compiled(text)).toThrow(message);
  });

  test('an error has the lines of its instruction', () => {
    expect(() => compiled('FROM a\n\nRUN x\nCOPY \\\n  y\n')).toThrow('on line 4:');
  });
});

test('variables are replaced where the language replaces them', () => {
  const values: Record<string, string> = { A: 'one', B: '/two' };
  const file = compiled(
    'FROM a\nCOPY --chown=$A "$A" <<X "<<$A" $B/\n$A\nX\nRUN --mount=type=cache,target=$B echo $A\nENV x="$A b" y=$A\n',
  );
  const [copy, run, env] = file.stages[0]!.instructions.map((each) =>
    resolve(each, (name) => values[name], '\\'),
  );
  expect(copy).toMatchObject({ sources: ['one', '<<one'], destination: '/two/', chown: 'one' });
  expect(copy).toMatchObject({ inline: [{ name: 'X', content: 'one\n' }] });
  expect(run).toMatchObject({ mounts: ['type=cache,target=/two'], command: { line: 'echo $A' } });
  expect(env).toMatchObject({
    pairs: [
      { key: 'x', value: 'one b' },
      { key: 'y', value: 'one' },
    ],
  });
});

describe('stages', () => {
  const names = (text: string, target = '', args: Record<string, string> = {}) =>
    stagesFor(
      resolveStages(
        compiled(text),
        (name) => args[name],
        () => undefined,
      ).stages,
      target,
    ).map(({ name, index }) => name || String(index));

  test('only what the target needs, in an order that works', () => {
    const text =
      'FROM x AS a\nCOPY --from=c / /\nFROM x AS b\nFROM x AS c\nFROM a\nRUN --mount=from=2,target=/x y\n';
    expect(names(text)).toEqual(['c', 'a', '3']);
    expect(names(text, 'B')).toEqual(['b']);
  });

  test('global arguments', () => {
    const text = 'ARG V=1\nARG I=base:$V\nFROM $I\nFROM ${I%:*}-slim\n';
    const bases = (args: Record<string, string>) =>
      resolveStages(
        compiled(text),
        (name) => args[name],
        () => undefined,
      ).stages.map(({ base }) => base);
    expect(bases({})).toEqual([
      { kind: 'image', reference: 'base:1' },
      { kind: 'image', reference: 'base-slim' },
    ]);
    expect(bases({ V: '2' })[0]).toEqual({ kind: 'image', reference: 'base:2' });
  });

  test.each([
    [
      'FROM x AS a\nCOPY --from=b / /\nFROM x AS b\nCOPY --from=a / /\n',
      '',
      'circular dependency detected on stage: b',
    ],
    ['FROM x AS a\nCOPY --from=a / /\n', '', 'circular dependency detected on stage: a'],
    ['FROM x AS builder\n', 'buidler', 'could not be found (did you mean the stage builder?)'],
    ['FROM x\nCOPY --from=3 / /\n', '', 'invalid stage index 3'],
    ['ARG V\nFROM $V\n', '', 'should not be blank'],
  ])('%j for %j is refused', (text, target, message) => {
    expect(() => names(text, target)).toThrow(message);
  });
});
