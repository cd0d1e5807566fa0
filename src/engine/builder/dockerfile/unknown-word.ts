import { suggestions } from '../../../base/edit-distance.ts';

/** The instructions there are. */
export const INSTRUCTIONS = [
  ...['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL'],
  ...['MAINTAINER', 'ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'],
] as const;

/** What is said of a word that is none of the known ones: `unknown flag: --chwon (did you mean --chown?)`. */
export function unknownWord(what: 'instruction' | 'flag', word: string, known: Iterable<string>): string {
  const prefix = what === 'flag' ? '--' : '';
  const [nearest] = suggestions(word, known);
  const hint = nearest === undefined ? '' : ` (did you mean ${prefix}${nearest}?)`;
  return `unknown ${what}: ${prefix}${word}${hint}`;
}
