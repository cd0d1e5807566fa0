import { describe, expect, test } from 'bun:test';
import { applyChanges } from './changes.ts';

describe('applyChanges', () => {
  test('commands in both forms', () => {
    expect(applyChanges({}, ['CMD ["a", "b c"]', 'ENTRYPOINT exec top -b'])).toEqual({
      Cmd: ['a', 'b c'],
      Entrypoint: ['/bin/sh', '-c', 'exec top -b'],
    });
  });

  test('environment and labels: replaced by key, quotes, the old form', () => {
    const config = applyChanges({ Env: ['A=1', 'B=2'] }, [
      'ENV A=9 C="x y" D=a\\ b',
      'ENV OLD form with blanks',
      "LABEL one=1 two='2 3'",
    ]);
    expect(config.Env).toEqual(['A=9', 'B=2', 'C=x y', 'D=a b', 'OLD=form with blanks']);
    expect(config.Labels).toEqual({ one: '1', two: '2 3' });
  });

  test('variables of the image are expanded', () => {
    const config = applyChanges({ Env: ['PATH=/bin'] }, [
      'ENV PATH=/usr/bin:$PATH',
      `ENV A=\${PATH}:x B='$PATH' C=\\$PATH D=$NOPE.`,
      'CMD echo $PATH',
    ]);
    expect(config.Env).toEqual(['PATH=/usr/bin:/bin', 'A=/usr/bin:/bin:x', 'B=$PATH', 'C=$PATH', 'D=.']);
    expect(config.Cmd?.[2]).toBe('echo $PATH');
  });

  test('the rest', () => {
    expect(
      applyChanges({ WorkingDir: '/srv' }, [
        'EXPOSE 80 53/udp 8000-8002',
        'USER app:app',
        'VOLUME /a "/b"',
        'VOLUME ["/c"]',
        'WORKDIR sub',
        'STOPSIGNAL SIGQUIT',
        'ONBUILD RUN x',
        'HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl -f http://localhost/',
      ]),
    ).toEqual({
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} },
      User: 'app:app',
      Volumes: { '/a': {}, '/b': {}, '/c': {} },
      WorkingDir: '/srv/sub',
      StopSignal: 'SIGQUIT',
      OnBuild: ['RUN x'],
      Healthcheck: {
        Interval: 5e9,
        Timeout: 90e9,
        Retries: 3,
        Test: ['CMD-SHELL', 'curl -f http://localhost/'],
      },
    });
    expect(applyChanges({}, ['HEALTHCHECK NONE']).Healthcheck).toEqual({ Test: ['NONE'] });
  });

  test('an entrypoint drops the command, unless one is given as well', () => {
    expect(applyChanges({ Cmd: ['a'] }, ['ENTRYPOINT ["x"]'])).toEqual({ Cmd: null, Entrypoint: ['x'] });
    expect(applyChanges({}, ['CMD ["b"]', 'ENTRYPOINT ["x"]'])).toEqual({ Cmd: ['b'], Entrypoint: ['x'] });
  });

  test('paths of WORKDIR are cleaned', () => {
    expect(applyChanges({ WorkingDir: '/a' }, ['WORKDIR ../b/./c/']).WorkingDir).toBe('/b/c');
  });

  test.each([
    ['RUN x', 'run is not a valid change command'],
    ['', 'invalid change'],
    ['ENV', 'ENV requires at least one argument'],
    ['USER', 'USER requires exactly one argument'],
    ['ONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
    ['ONBUILD ONBUILD RUN x', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ['CMD ["a", 1]', 'arrays must be comprised of strings only'],
    ['HEALTHCHECK --interval=5 CMD x', 'time: missing unit in duration "5"'],
    ['HEALTHCHECK --timeout=1us CMD x', 'Interval "timeout" cannot be less than 1ms'],
    ['HEALTHCHECK --retries=x CMD x', 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['ENV A', 'ENV must have two arguments'],
    ['ENV A=1 =x', "can't find = in"],
    ['EXPOSE 99999', 'invalid containerPort: 99999'],
    ['HEALTHCHECK --nope=1 CMD x', 'Unknown flag: nope'],
    ['HEALTHCHECK MAYBE', 'in HEALTHCHECK (try CMD)'],
  ])('refuses %p', (change, message) => {
    expect(() => applyChanges({}, [change])).toThrow(message);
  });
});
