import { DockerfileError } from './dockerfile-error.ts';
import { expandDocument, expandText, expandWord, type Lookup } from './expand.ts';
import { atSpan } from './flags.ts';
import type { CopyFields, Instruction, Pair } from './instructions.ts';

/**
 * The instruction with its variables replaced, where the language replaces any: commands keep theirs for the shell.
 * Throws `DockerfileError` with the instruction's lines.
 */
export function resolve<T extends Instruction>(instruction: T, lookup: Lookup, escapeChar: string): T {
  const word = (text: string): string => expandWord(text, lookup, escapeChar);
  return atSpan(instruction.span, () => resolved(instruction, word, lookup, escapeChar) as T);
}

function resolved(
  instruction: Instruction,
  word: (text: string) => string,
  lookup: Lookup,
  escapeChar: string,
): Instruction {
  switch (instruction.kind) {
    case 'add':
      return {
        ...instruction,
        ...copied(instruction, word, lookup),
        checksum: word(instruction.checksum),
      };
    case 'copy':
      return { ...instruction, ...copied(instruction, word, lookup) };
    case 'env':
    case 'label':
      return { ...instruction, pairs: instruction.pairs.map((pair) => pairOf(pair, word, instruction)) };
    case 'expose':
      return { ...instruction, ports: instruction.ports.map(word).filter((port) => port !== '') };
    case 'run':
      // Quotes in a mount are those of its fields.
      return {
        ...instruction,
        mounts: instruction.mounts.map((mount) => expandText(mount, lookup, escapeChar)),
      };
    case 'stopsignal':
      return { ...instruction, signal: word(instruction.signal) };
    case 'user':
      return { ...instruction, user: word(instruction.user) };
    case 'volume':
      return { ...instruction, paths: instruction.paths.map(word) };
    case 'workdir':
      return { ...instruction, path: word(instruction.path) };
    default:
      return instruction;
  }
}

function pairOf(pair: Pair, word: (text: string) => string, { kind, span }: Instruction): Pair {
  const key = word(pair.key);
  if (key === '') throw new DockerfileError(`${kind.toUpperCase()} names can not be blank`, span);
  return { key, value: word(pair.value) };
}

function copied(fields: CopyFields, word: (text: string) => string, lookup: Lookup): Partial<CopyFields> {
  return {
    sources: fields.sources.map(word),
    destination: word(fields.destination),
    chown: word(fields.chown),
    chmod: word(fields.chmod),
    exclude: fields.exclude.map(word),
    inline: fields.inline.map((file) => ({
      ...file,
      content: file.expand ? expandDocument(file.content, lookup) : file.content,
    })),
  };
}
