import type { Statement } from '../parse.ts';
import type { Finding, LintRule, LintSubject } from './subject.ts';

/** The words of a FROM: image, `AS`, name. */
const fromWords = ({ rest }: Statement): string[] => rest.split(/\s+/);

export const STAGE_NAME_CASING: LintRule = {
  name: 'StageNameCasing',
  description: 'Stage names should be lowercase',
  *check({ stages }) {
    for (const [from] of stages) {
      const name = fromWords(from)[2] ?? '';
      if (name === name.toLowerCase()) continue;
      yield { text: `Stage name '${name}' should be lowercase`, span: from.span };
    }
  },
};

export const FROM_AS_CASING: LintRule = {
  name: 'FromAsCasing',
  description: "The 'as' keyword should match the case of the 'from' keyword",
  *check({ stages }) {
    for (const [from] of stages) {
      const as = fromWords(from)[1];
      const { keyword } = from;
      if (as === undefined) continue;
      const lower = keyword === keyword.toLowerCase();
      // A mixed FROM is another rule's.
      if (!lower && keyword !== keyword.toUpperCase()) continue;
      if (as === (lower ? as.toLowerCase() : as.toUpperCase())) continue;
      yield { text: `'${as}' and '${keyword}' keywords' casing do not match`, span: from.span };
    }
  },
};

export const CONSISTENT_INSTRUCTION_CASING: LintRule = {
  name: 'ConsistentInstructionCasing',
  description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
  *check({ file }) {
    const words = file.statements.map(({ keyword }) => keyword);
    const lower = words.filter((word) => word === word.toLowerCase()).length;
    const upper = words.filter((word) => word === word.toUpperCase()).length;
    const casing = lower > upper ? 'lowercase' : 'uppercase';
    for (const { keyword, span } of file.statements) {
      if (keyword === (lower > upper ? keyword.toLowerCase() : keyword.toUpperCase())) continue;
      yield { text: `Command '${keyword}' should match the case of the command majority (${casing})`, span };
    }
  },
};

export const DUPLICATE_STAGE_NAME: LintRule = {
  name: 'DuplicateStageName',
  description: 'Stage names should be unique',
  *check({ compiled }) {
    const seen = new Set<string>();
    for (const { name, from } of compiled.stages) {
      if (name !== '' && seen.has(name)) {
        yield {
          text: `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
          span: from.span,
        };
      }
      seen.add(name);
    }
  },
};

const RESERVED = ['context', 'scratch'];

export const RESERVED_STAGE_NAME: LintRule = {
  name: 'ReservedStageName',
  description: 'Reserved words should not be used as stage names',
  *check({ compiled }) {
    for (const { name, from } of compiled.stages) {
      if (!RESERVED.includes(name)) continue;
      yield {
        text: `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
        span: from.span,
      };
    }
  },
};

export const INVALID_DEFINITION_DESCRIPTION: LintRule = {
  name: 'InvalidDefinitionDescription',
  description:
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  experimental: true,
  *check(subject) {
    for (const { statement, names } of definitions(subject)) {
      const comment = statement.comments.at(-1);
      if (comment === undefined || names.length === 0) continue;
      if (names.includes(comment.split(' ', 1)[0] ?? '')) continue;
      const example = names.length > 1 ? '<arg_key>' : names[0];
      yield {
        text: `Comment for ${statement.name} should follow the format: \`# ${example} <description>\``,
        span: statement.span,
      } satisfies Finding;
    }
  },
};

/** What a comment may describe: stages by name, arguments. */
function* definitions({ file }: LintSubject): Generator<{ statement: Statement; names: string[] }> {
  for (const statement of file.statements) {
    if (statement.name === 'FROM') {
      const name = fromWords(statement)[2];
      yield { statement, names: name === undefined ? [] : [name] };
    }
    if (statement.name === 'ARG') {
      const names = statement.rest.split(/\s+/).map((word) => word.split('=', 1)[0] ?? '');
      yield { statement, names };
    }
  }
}
