// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what is tested
import { describe, expect, test } from 'bun:test';
import { expandText, expandWord } from './expand.ts';

const VALUES: Record<string, string> = {
  A: 'one',
  PATHS: '/a/b/c.tar.gz',
  EMPTY: '',
  SPACE: 'x y',
  STAR: 'a*b',
};
const lookup = (name: string): string | undefined => VALUES[name];

describe('expandWord', () => {
  test.each([
    ['$A', 'one'],
    ['${A}two', 'onetwo'],
    ['$NONE', ''],
    ['\\$A', '$A'],
    ["'$A'", '$A'],
    ['"$A $SPACE"', 'one x y'],
    ['"\\$A"', '$A'],
    ['a\\ b', 'a b'],
    ['${NONE:-def}', 'def'],
    ['${EMPTY:-def}', 'def'],
    ['${EMPTY-def}', ''],
    ['${A:-def}', 'one'],
    ['${NONE:-$A}', 'one'],
    ['${NONE:-${A}x}', 'onex'],
    ['${A:+set}', 'set'],
    ['${EMPTY:+set}', ''],
    ['${EMPTY+set}', 'set'],
    ['${A:?needed}', 'one'],
    ['${PATHS#*/}', 'a/b/c.tar.gz'],
    ['${PATHS##*/}', 'c.tar.gz'],
    ['${PATHS%.*}', '/a/b/c.tar'],
    ['${PATHS%%.*}', '/a/b/c'],
    ['${PATHS/b/X}', '/a/X/c.tar.gz'],
    ['${PATHS//\\//-}', '-a-b-c.tar.gz'],
    ['${A/o/}', 'ne'],
    ['${PATHS#/?/}', 'b/c.tar.gz'],
    ['${PATHS%%/*}', ''],
    ['${PATHS/.*/}', '/a/b/c'],
    ['${PATHS//?a/_}', '_/b/c._r.gz'],
    ['${STAR#a\\*}', 'b'],
    ['${STAR/\\*/+}', 'a+b'],
    ['${PATHS#${NONE:-/a}}', '/b/c.tar.gz'],
    ['${EMPTY?}', ''],
    ['$12x', 'x'],
    ['"a\\b"', 'a\\b'],
    ['a\\', 'a'],
    ['$', '$'],
    ['a$', 'a$'],
    ['', ''],
  ])('%s is %s', (text, value) => {
    expect(expandWord(text, lookup)).toBe(value);
  });

  test.each([
    ['${A', "missing '}'"],
    ['${A:-x', 'matching }'],
    ['${A#x', "missing '}'"],
    ['${A/x', "missing '/'"],
    ['${', "missing '}'"],
    ['${}', 'bad substitution'],
    ['${A:=x}', 'unsupported modifier'],
    ['${A#\\x}', 'invalid escape'],
    ['${EMPTY:?}', 'EMPTY: is not allowed to be empty'],
    ['${NONE?}', 'NONE: is not allowed to be unset'],
    ['${A:-'.repeat(200) + '}'.repeat(200), 'more than 100'],
    ["'open", 'single-quote'],
    ['"open', 'double-quote'],
    ['${NONE:?give it}', 'NONE: give it'],
    ['${A^^}', 'unsupported modifier'],
  ])('%s is refused', (text, message) => {
    expect(() => expandWord(text, lookup)).toThrow(new RegExp(message));
  });

  test('a backtick escapes where the file says so', () => {
    expect(expandWord('`$A\\x', lookup, '`')).toBe('$A\\x');
  });
});

test('what a value brings is not split or expanded again', () => {
  expect(expandWord('"b c"$SPACE', lookup)).toBe('b cx y');
});

test('a text keeps its quotes', () => {
  expect(expandText('echo "$A" \'$A\' \\$A', lookup)).toBe('echo "one" \'one\' $A');
});

test('anything gives a value or an error that is told', () => {
  const alphabet = '$\\{}\'":-+?#%/ABc* \n';
  for (let round = 0; round < 20_000; round++) {
    let text = '';
    for (let length = Math.random() * 12; length > 0; length--)
      text += alphabet[Math.floor(Math.random() * alphabet.length)];
    try {
      expandWord(text, lookup);
    } catch (error) {
      expect((error as { kind?: string }).kind).toBe('invalid');
    }
  }
});

test('no pattern takes long', () => {
  const value = 'a'.repeat(20_000);
  for (const text of ['${V//a*a*a*b/x}', '${V%%a*a*a*b}', '${V##*a*a*a*b}', '${V//*a*b/}']) {
    expect(expandWord(text, () => value)).toBe(value);
  }
}, 20_000);
