// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
import { describe, expect, test } from 'bun:test';
import { compile } from './compile.ts';
import { excerpt } from './dockerfile-error.ts';
import type { Lookup } from './expand.ts';
import { parseDockerfile } from './parse.ts';
import { resolveStages, stagesFor } from './stage-graph.ts';

const rests = (text: string) => parseDockerfile(text).statements.map(({ name, rest }) => `${name} ${rest}`);

describe('parseDockerfile', () => {
  test('continued lines, with comments and empty lines between', () => {
    expect(rests('from a\n# no\nRUN one \\\n  # comment\n\n  two \\\n three\n')).toEqual([
      'FROM a',
      'RUN one   two  three',
    ]);
  });

  test('directives: a backtick continues, a backslash does not', () => {
    const file = parseDockerfile(
      '# escape=`\n# syntax = docker/dockerfile:1\nFROM a\nRUN dir C:\\\nRUN x `\n y\n',
    );
    expect(file.escapeChar).toBe('`');
    expect(file.directives.syntax).toBe('docker/dockerfile:1');
    expect(file.statements.map(({ rest }) => rest)).toEqual(['a', 'dir C:\\', 'x  y']);
  });

  test('a comment that is no directive ends them', () => {
    expect(parseDockerfile('# hi\n# escape=`\nFROM a\n').escapeChar).toBe('\\');
  });

  test('flags stand apart', () => {
    const [, copy] = parseDockerfile('FROM a\nCOPY --from=x --link --chown="1:2" a b\n').statements;
    expect(copy?.flags).toEqual([
      { name: 'from', value: 'x', bare: false },
      { name: 'link', value: '', bare: true },
      { name: 'chown', value: '1:2', bare: false },
    ]);
    expect(copy?.rest).toBe('a b');
  });

  test('here-documents, several, quoted, with tabs', () => {
    const [, run, copy] = parseDockerfile(
      'FROM a\nRUN <<EOF cat\na $x\nEOF\nCOPY <<-"ONE" <<TWO /dir/\n\tfirst\n\tONE\nsecond\nTWO\nCMD x\n',
    ).statements;
    expect(run?.heredocs).toEqual([{ name: 'EOF', content: 'a $x\n', expand: true }]);
    expect(copy?.heredocs).toEqual([
      { name: 'ONE', content: 'first\n', expand: false },
      { name: 'TWO', content: 'second\n', expand: true },
    ]);
    expect(copy?.span).toEqual({ first: 5, last: 9 });
  });

  test('<<< and quoted marks are none', () => {
    expect(parseDockerfile('FROM a\nRUN cat <<< x "<<EOF"\n').statements[1]?.heredocs).toEqual([]);
  });

  test.each([
    ['', 'no instructions'],
    ['FROM a\nRUN <<EOF\nx\n', 'unterminated heredoc'],
    ['# escape=x\nFROM a\n', 'invalid escape token'],
    ['FROM a\n--x y\n', 'unknown instruction'],
  ])('%j is refused', (text, message) => {
    expect(() => parseDockerfile(text)).toThrow(message);
  });

  test('the lines around an error', () => {
    expect(excerpt(['FROM a', 'RUN b', 'RUN c', 'RUN d'], { first: 2, last: 2 }, 1)).toBe(
      '   1 |     FROM a\n   2 | >>> RUN b\n   3 |     RUN c',
    );
  });
});

describe('stages', () => {
  const staged = (text: string, given: Lookup = () => undefined) =>
    resolveStages(compile(parseDockerfile(text)), given, () => undefined).stages;
  const namesFor = (text: string, target: string) => stagesFor(staged(text), target).map(({ name }) => name);

  test('only what the target needs, each after what it needs itself', () => {
    const text =
      'FROM a AS one\nFROM b AS two\nFROM one AS three\nCOPY --from=two /x /\nFROM c AS four\nRUN --mount=type=bind,from=three,target=/m x\n';
    expect(namesFor(text, '')).toEqual(['one', 'two', 'three', 'four']);
    expect(namesFor(text, 'one')).toEqual(['one']);
    expect(namesFor(text, 'Three')).toEqual(['one', 'two', 'three']);
    expect(() => namesFor(text, 'none')).toThrow('target stage "none" could not be found');
  });

  test('global arguments choose the base', () => {
    const text = 'ARG TAG=1\nARG IMG=x:${TAG}\nFROM ${IMG}\n';
    expect(staged(text)[0]?.base).toEqual({ kind: 'image', reference: 'x:1' });
    const two: Lookup = (name) => (name === 'TAG' ? '2' : undefined);
    expect(staged(text, two)[0]?.base).toEqual({ kind: 'image', reference: 'x:2' });
  });

  test.each([
    ['RUN x', 'no build stage'],
    ['FROM a b', 'either one or three'],
    ['FROM a AS 1x', 'invalid name for build stage'],
    ['FROM $NOTHING', 'should not be blank'],
  ])('%j is refused', (text, message) => {
    expect(() => staged(text)).toThrow(message);
  });
});
