import { describe, expect, test } from 'bun:test';
import type { FlagTable } from '../command.ts';
import { flag, optional } from './flag.ts';
import {
  bytes,
  duration,
  filter,
  int,
  list,
  map,
  nanoCpus,
  strings,
  swapBytes,
  text,
  toggle,
  toggleOn,
  uint16,
} from './kinds.ts';
import { argCountProblem, FlagError, parseLine } from './parse.ts';

const FLAGS = {
  all: flag(toggle, { short: 'a', help: '' }),
  cpus: flag(nanoCpus, { help: '' }),
  env: flag(list(), { short: 'e', help: '' }),
  filter: flag(filter, { short: 'f', help: '' }),
  interactive: flag(toggle, { short: 'i', help: '' }),
  label: flag(map(), { help: '' }),
  last: flag(int, { short: 'n', help: '' }),
  memory: flag(bytes, { short: 'm', help: '' }),
  net: flag(list(), { help: '', aliasOf: 'network' }),
  network: flag(list(), { help: '' }),
  proxy: flag(toggleOn, { help: '' }),
  publish: flag(list(), { short: 'p', help: '' }),
  signal: flag(optional(text), { help: '' }),
  subnet: flag(strings, { help: '' }),
  swap: flag(swapBytes, { help: '' }),
  time: flag(duration, { help: '' }),
  tty: flag(toggle, { short: 't', help: '' }),
  weight: flag(uint16, { help: '' }),
  old: flag(int, { help: '', aliasOf: 'last', deprecated: 'use --last instead' }),
} satisfies FlagTable;

const parse = (line: string, interspersed = true) => parseLine(FLAGS, line.split(' '), interspersed);
const problem = (line: string): string => {
  try {
    parse(line);
    return '';
  } catch (error) {
    if (error instanceof FlagError) return error.message;
    throw error;
  }
};

describe('the flag parser, by the rules of pflag', () => {
  test('short switches join, a value may stick to its letter', () => {
    const { values, args } = parse('-it -p8080:80 -p=81:81 -p 82:82 -ae A=B x');
    expect(values.interactive).toBe(true);
    expect(values.tty).toBe(true);
    expect(values.all).toBe(true);
    expect(values.publish).toEqual(['8080:80', '81:81', '82:82']);
    expect(values.env).toEqual(['A=B']);
    expect(args).toEqual(['x']);
  });

  test('long flags take their value with or without an equals sign', () => {
    expect(parse('--memory 1g --env=A=B --env C').values).toMatchObject({
      memory: 2 ** 30,
      env: ['A=B', 'C'],
    });
  });

  test('a switch takes a value only with an equals sign', () => {
    expect(parse('--proxy=false --all false').values).toMatchObject({ proxy: false, all: true });
    expect(parse('--all false').args).toEqual(['false']);
    expect(parse('-i=false').values.interactive).toBe(false);
  });

  test('options end at the first argument when they are not interspersed', () => {
    expect(parse('-i image -t sh', false)).toMatchObject({
      args: ['image', '-t', 'sh'],
      values: { tty: false },
    });
    expect(parse('-i image -t', true)).toMatchObject({ args: ['image'], values: { tty: true } });
  });

  test('two dashes end the options, one dash is an argument', () => {
    expect(parse('-i -- -t --all').args).toEqual(['-t', '--all']);
    expect(parse('- -i').args).toEqual(['-']);
    expect(parse('image -- -t', false).args).toEqual(['image', '--', '-t']);
  });

  test('an alias sets the flag that it stands for', () => {
    const parsed = parse('--net a --network b');
    expect(parsed.values.network).toEqual(['a', 'b']);
    expect('net' in parsed.values).toBe(false);
  });

  test('a flag that goes out of use still works and says so', () => {
    const parsed = parse('--old 3');
    expect(parsed.values.last).toBe(3);
    expect(parsed.warnings).toEqual(['Flag --old has been deprecated, use --last instead']);
  });

  test('absent and empty differ where it matters', () => {
    expect(parse('x').values.signal).toBeUndefined();
    expect(parse('--signal=').values.signal).toBe('');
  });

  test('values of all kinds', () => {
    const { values } = parse(
      '--cpus 1.5 -f name=a -f name=b -f LABEL=x=y --label k=v --label l --subnet a,b --subnet c --swap -1 --time 1m30s --weight 500 -n 0x10',
    );
    expect(values.cpus).toBe(1_500_000_000);
    expect([...(values.filter as Map<string, string[]>)]).toEqual([
      ['name', ['a', 'b']],
      ['label', ['x=y']],
    ]);
    expect(values.label).toEqual({ k: 'v', l: '' });
    expect(values.subnet).toEqual(['a', 'b', 'c']);
    expect(values.swap).toBe(-1);
    expect(values.time).toBe(90e9);
    expect(values.weight).toBe(500);
    expect(values.last).toBe(16);
  });

  test('help is seen anywhere before the arguments of another program', () => {
    expect(parse('x --help').help).toBe(true);
    expect(parse('-h').help).toBe(true);
    expect(parse('image --help', false).help).toBe(false);
  });

  test.each([
    ['--foo', 'unknown flag: --foo'],
    ['--foo=1', 'unknown flag: --foo'],
    ['--toString', 'unknown flag: --toString'],
    ['-z', "unknown shorthand flag: 'z' in -z"],
    ['-iz', "unknown shorthand flag: 'z' in -z"],
    ['-i=', `unknown shorthand flag: '=' in -=`],
    ['--env', 'flag needs an argument: --env'],
    ['-e', "flag needs an argument: 'e' in -e"],
    ['--=x', 'bad flag syntax: --=x'],
    ['---x', 'bad flag syntax: ---x'],
    [
      '--all=zzz',
      'invalid argument "zzz" for "-a, --all" flag: strconv.ParseBool: parsing "zzz": invalid syntax',
    ],
    ['-n a', 'invalid argument "a" for "-n, --last" flag: strconv.ParseInt: parsing "a": invalid syntax'],
    [
      '--weight 99999',
      'invalid argument "99999" for "--weight" flag: strconv.ParseUint: parsing "99999": value out of range',
    ],
    ['--memory 5x', `invalid argument "5x" for "-m, --memory" flag: invalid suffix: 'x'`],
    [
      '--filter foo',
      'invalid argument "foo" for "-f, --filter" flag: bad format of filter (expected name=value)',
    ],
    ['--cpus a', 'invalid argument "a" for "--cpus" flag: failed to parse a as a rational number'],
    ['--cpus 0.0000000001', 'invalid argument "0.0000000001" for "--cpus" flag: value is too precise'],
    ['--time 1', 'invalid argument "1" for "--time" flag: time: missing unit in duration "1"'],
  ])('%s: %s', (line, message) => {
    expect(problem(line)).toBe(message);
  });

  test('numbers of arguments', () => {
    const words = (min: number, max: number | undefined, count: number) =>
      argCountProblem({ args: max === undefined ? { min } : { min, max } }, 'tare x', count);
    expect(words(0, 0, 1)).toBe("'tare x' accepts no arguments");
    expect(words(2, 2, 1)).toBe("'tare x' requires 2 arguments");
    expect(words(1, 1, 0)).toBe("'tare x' requires 1 argument");
    expect(words(1, undefined, 0)).toBe("'tare x' requires at least 1 argument");
    expect(words(0, 1, 2)).toBe("'tare x' requires at most 1 argument");
    expect(words(1, 2, 3)).toBe("'tare x' requires at least 1 and at most 2 arguments");
    expect(words(1, undefined, 9)).toBeUndefined();
  });
});
