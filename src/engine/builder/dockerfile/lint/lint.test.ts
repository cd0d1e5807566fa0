// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
import { describe, expect, test } from 'bun:test';
import { PathPatterns } from '../../../../base/path-patterns.ts';
import { compile } from '../compile.ts';
import { parseDockerfile } from '../parse.ts';
import { checkOptions, checkOptionsOf, LINT_RULES, lint, lintFailure } from './lint.ts';

const ALL = checkOptions('experimental=all', undefined);
const PLATFORM: Record<string, string> = { TARGETPLATFORM: 'linux/amd64', BUILDPLATFORM: 'linux/amd64' };

/** `RULE:line text` of every warning. */
function found(text: string, given: Record<string, string> = {}, options = ALL): string[] {
  const file = parseDockerfile(text);
  const subject = {
    file,
    compiled: compile(file),
    given: (name: string) => given[name],
    platform: (name: string) => PLATFORM[name],
    ignored: PathPatterns.parse(['secret', 'docs/*.md']),
    environmentOf: (reference: string) => (reference === 'base' ? ['PATH=/bin', 'HOME=/root'] : undefined),
  };
  return lint(subject, options).map(({ rule, span, text }) => `${rule}:${span.first} ${text}`);
}

/** A Dockerfile that a rule complains of, what it says, and one that it lets pass. */
const CASES: ReadonlyArray<[rule: string, bad: string, says: string, good: string]> = [
  [
    'StageNameCasing',
    'FROM base AS Build',
    ":1 Stage name 'Build' should be lowercase",
    'FROM base AS build',
  ],
  ['FromAsCasing', 'FROM base as x', ":1 'as' and 'FROM' keywords' casing do not match", 'from base as x'],
  [
    'NoEmptyContinuation',
    'FROM base\nRUN a \\\n\n b',
    ':2 Empty continuation line',
    'FROM base\nRUN a \\\n# c\n b',
  ],
  [
    'ConsistentInstructionCasing',
    'FROM base\nrun x\nUSER y',
    ":2 Command 'run' should match the case of the command majority (uppercase)",
    'from base\nrun x\nuser y',
  ],
  [
    'DuplicateStageName',
    'FROM base AS a\nFROM base AS a',
    ':2 Duplicate stage name "a", stage names should be unique',
    'FROM base AS a\nFROM base AS b\nFROM base\nFROM base',
  ],
  [
    'ReservedStageName',
    'FROM base AS scratch',
    ':1 Stage name should not use the same name as reserved stage "scratch"',
    'FROM base AS scratchy',
  ],
  [
    'JSONArgsRecommended',
    'FROM base\nCMD x',
    ':2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
    'FROM base\nSHELL ["/bin/bash", "-c"]\nCMD x',
  ],
  [
    'MaintainerDeprecated',
    'FROM base\nMAINTAINER me',
    ':2 Maintainer instruction is deprecated in favor of using label',
    'FROM base\nLABEL maintainer=me',
  ],
  [
    'UndefinedArgInFrom',
    'ARG VERSION=1\nFROM base:${VERSOIN}',
    ":2 FROM argument 'VERSOIN' is not declared (did you mean VERSION?)",
    'ARG VERSION\nFROM base:${VERSION:-1}\nFROM --platform=$BUILDPLATFORM base',
  ],
  [
    'WorkdirRelativePath',
    'FROM base\nWORKDIR app',
    ':2 Relative workdir "app" can have unexpected results if the base image changes',
    'FROM base AS x\nWORKDIR /app\nWORKDIR sub\nFROM x\nWORKDIR more',
  ],
  [
    'UndefinedVar',
    'FROM base\nENV PATH=$PAHT:/x',
    ":2 Usage of undefined variable '$PAHT' (did you mean $PATH?)",
    'FROM base\nARG A\nENV B=$A C=$HOME D=${NONE:-x} HTTP=$http_proxy\nRUN echo $SHELL_VARIABLE\nCOPY x $B',
  ],
  [
    'UndefinedVar',
    'FROM scratch\nCOPY $foo .',
    ":2 Usage of undefined variable '$foo'",
    'FROM other\nCOPY $foo .',
  ],
  [
    'MultipleInstructionsDisallowed',
    'FROM base\nCMD ["a"]\nCMD ["b"]',
    ':2 Multiple CMD instructions should not be used in the same stage because only the last one will be used',
    'FROM base\nCMD ["a"]\nFROM base\nCMD ["b"]',
  ],
  [
    'LegacyKeyValueFormat',
    'FROM base\nENV a b',
    ':2 "ENV key=value" should be used instead of legacy "ENV key value" format',
    'FROM base\nENV a=b',
  ],
  [
    'RedundantTargetPlatform',
    'FROM --platform=$TARGETPLATFORM base',
    ':1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    'FROM --platform=$BUILDPLATFORM base',
  ],
  [
    'SecretsUsedInArgOrEnv',
    'FROM base\nARG AWS_SECRET_ACCESS_KEY',
    ':2 Do not use ARG or ENV instructions for sensitive data (ARG "AWS_SECRET_ACCESS_KEY")',
    'FROM base\nENV PUBLIC_KEY=x KEYBOARD=y KEY_FILE=z',
  ],
  [
    'InvalidDefaultArgInFrom',
    'ARG TAG\nFROM base:${TAG}',
    ':2 Default value for ARG base:${TAG} results in empty or invalid base image name',
    'ARG TAG=1\nFROM base:${TAG}',
  ],
  [
    'FromPlatformFlagConstDisallowed',
    'FROM --platform=linux/amd64 base',
    ':1 FROM --platform flag should not use constant value "linux/amd64"',
    'FROM --platform=linux/amd64 base AS build-amd64',
  ],
  [
    'CopyIgnoredFile',
    'FROM base\nCOPY ./secret /',
    ':2 Attempting to Copy file "./secret" that is excluded by .dockerignore',
    'FROM base\nCOPY docs/ /\nCOPY --from=x secret /\nADD https://secret /',
  ],
  [
    'InvalidDefinitionDescription',
    '# the base\nARG foo=1\nFROM base',
    ':2 Comment for ARG should follow the format: `# foo <description>`',
    '# foo is it\nARG foo=1\n# else\n\nFROM base\n# what\n\nARG bar',
  ],
  [
    'ExposeProtoCasing',
    'FROM base\nEXPOSE 80/TCP',
    ":2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    'FROM base\nEXPOSE 80/tcp 81',
  ],
  [
    'ExposeInvalidFormat',
    'FROM base\nEXPOSE 127.0.0.1:80:80',
    ":2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    'FROM base\nEXPOSE 80-90/udp',
  ],
];

describe('rules', () => {
  test.each(CASES)('%s', (rule, bad, says, good) => {
    expect(found(bad).filter((warning) => warning.startsWith(`${rule}:`))).toEqual([rule + says]);
    expect(found(good).filter((warning) => warning.startsWith(`${rule}:`))).toEqual([]);
  });

  test('each has a case here and an address of its own', () => {
    expect(LINT_RULES.map(({ name }) => name).toSorted()).toEqual(
      [...new Set(CASES.map(([rule]) => rule))].toSorted(),
    );
    const file = parseDockerfile('FROM base\nCMD x\n');
    const subject = { file, compiled: compile(file), given: () => undefined, platform: () => undefined };
    const [warning] = lint({ ...subject, ignored: undefined, environmentOf: () => undefined }, ALL);
    expect(warning?.url).toBe('https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  });

  test('a file without faults has no warnings', () => {
    expect(found('ARG V=1\nFROM base:${V} AS build\nWORKDIR /x\nCOPY . .\nRUN make\nCMD ["x"]\n')).toEqual(
      [],
    );
  });
});

describe('options', () => {
  const text = 'FROM base as Build\nCMD x\n';
  const rules = (options: string) =>
    found(text, {}, checkOptions(options, undefined)).map((warning) => warning.split(':')[0]);

  test('skip some, or all', () => {
    expect(rules('')).toEqual(['StageNameCasing', 'FromAsCasing', 'JSONArgsRecommended']);
    expect(rules('skip=FromAsCasing, JSONArgsRecommended')).toEqual(['StageNameCasing']);
    expect(rules('skip=all;error=true')).toEqual([]);
  });

  test('experimental rules are asked for', () => {
    const described = '# what\nARG foo=1\nFROM base\n';
    expect(found(described, {}, checkOptions('', undefined))).toEqual([]);
    expect(
      found(described, {}, checkOptions('experimental=InvalidDefinitionDescription', undefined)),
    ).toHaveLength(1);
  });

  test('the directive counts, unless there is a build argument', () => {
    const file = parseDockerfile(`# check=skip=all;error=true\n${text}`);
    expect(checkOptionsOf(file, undefined)).toMatchObject({ skip: 'all', error: true });
    expect(checkOptionsOf(file, 'error=false').error).toBe(false);
    const wrong = parseDockerfile(`# syntax=x\n# check=skpi=all\n${text}`);
    expect(() => checkOptionsOf(wrong, undefined)).toThrow('on line 2: invalid check option "skpi=all"');
  });

  test('error=true names the rules', () => {
    const warnings = [
      { rule: 'A', description: '', url: '', text: '', span: { first: 2, last: 2 } },
      { rule: 'A', description: '', url: '', text: '', span: { first: 3, last: 3 } },
      { rule: 'B', description: '', url: '', text: '', span: { first: 4, last: 4 } },
    ];
    expect(lintFailure(warnings, checkOptions('error=true', undefined))?.message).toBe(
      'lint violation found for rules: A, B',
    );
    expect(lintFailure(warnings, checkOptions('', undefined))).toBeUndefined();
    expect(lintFailure([], checkOptions('error=true', undefined))).toBeUndefined();
  });
});
