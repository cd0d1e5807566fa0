import { DockerfileError } from './dockerfile-error.ts';
import { parseModeChange } from './file-mode.ts';
import { Flags } from './flags.ts';
import { isHeredocWord } from './heredoc.ts';
import type { AddInstruction, CopyFields, CopyInstruction } from './instructions.ts';
import type { Statement } from './parse.ts';
import { jsonList } from './words.ts';

const SHARED = { chown: 'text', chmod: 'text', link: 'toggle', exclude: 'texts', parents: 'toggle' } as const;

export function compileCopy(statement: Statement): CopyInstruction {
  const flags = new Flags(statement, { ...SHARED, from: 'text' });
  const from = flags.text('from');
  if (/\$./.test(from)) {
    throw new DockerfileError(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      statement.span,
    );
  }
  const fields = copyFields(statement, flags);
  if (from !== '' && fields.inline.length > 0 && fields.sources.length === 0) {
    throw new DockerfileError('COPY --from cannot take a here-document: leave --from out', statement.span);
  }
  return { kind: 'copy', ...fields, from };
}

export function compileAdd(statement: Statement): AddInstruction {
  const flags = new Flags(statement, {
    ...SHARED,
    checksum: 'text',
    'keep-git-dir': 'toggle',
    unpack: 'toggle',
  });
  return {
    kind: 'add',
    ...copyFields(statement, flags),
    checksum: flags.text('checksum'),
    keepGitDir: flags.toggle('keep-git-dir') === true,
    unpack: flags.toggle('unpack'),
  };
}

function copyFields(statement: Statement, flags: Flags): CopyFields {
  const { name, span, text, rest, heredocs } = statement;
  const words = jsonList(rest) ?? rest.split(/\s+/).filter((word) => word !== '');
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    const count = words.length === 0 ? 'none' : 'only one';
    throw new DockerfileError(
      `${name} requires at least two arguments, but ${count} was provided. Destination could not be determined`,
      span,
    );
  }
  if (heredocs.length > 0 && isHeredocWord(destination)) {
    throw new DockerfileError(`${name} cannot accept a heredoc as a destination`, span);
  }
  const chmod = flags.text('chmod');
  if (chmod !== '' && !chmod.includes('$')) parseModeChange(chmod);
  return {
    span,
    text,
    sources: words.slice(0, -1).filter((word) => heredocs.length === 0 || !isHeredocWord(word)),
    inline: heredocs,
    destination,
    chown: flags.text('chown'),
    chmod,
    link: flags.toggle('link') === true,
    parents: flags.toggle('parents') === true,
    exclude: flags.texts('exclude'),
  };
}
