import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { loadNative } from './index.ts';

describe('native addon', () => {
  const loaded = loadNative();

  it('is loaded once, or says why not', () => {
    assert.equal(loadNative(), loaded);
    if (loaded.native === undefined) assert.match(loaded.reason, /weft\.node/);
  });

  const { native } = loaded;
  // Without a C compiler there is no addon, whose functions the rest calls.
  if (native === undefined) return;

  for (const [what, path, text, code] of [
    ['a socket that is not there', '/nonexistent/notify', 'READY=1', 'ENOENT'],
    ['an abstract socket that is not there', '@weft-test-absent', 'READY=1', 'ECONNREFUSED'],
    ['an empty path', '', 'READY=1', 'ENAMETOOLONG'],
    ['a path longer than sun_path', '/'.repeat(108), 'READY=1', 'ENAMETOOLONG'],
    ['a text of 4 KiB', '@weft-test-absent', 'x'.repeat(4096), 'EMSGSIZE'],
  ] as const)
    it(`sendDatagram to ${what}: ${code}`, () => {
      assert.throws(
        () => native.sendDatagram(path, text),
        (error: NodeJS.ErrnoException) => {
          assert.deepEqual([error.code, error.syscall], [code, 'sendmsg']);
          assert.ok(error.errno! < 0);
          return true;
        },
      );
    });

  it('sendDatagram refuses what is no descriptor, and too many', () => {
    const send = (fds: unknown) => () => native.sendDatagram('@weft-test-absent', 'x', fds as number[]);
    assert.throws(send(['1']), TypeError);
    assert.throws(send(Array.from({ length: 17 }, () => 0)), TypeError);
    assert.throws(send([-1]), { code: 'EBADF' });
    assert.throws(send([0]), { code: 'ECONNREFUSED' });
  });

  it('touches no descriptor that is no netlink socket', () => {
    assert.equal(native.setNetlinkOptions(1, 1, 4096), false);
    assert.equal(native.setNetlinkOptions(-1, 1, 4096), false);
    assert.throws(() => native.countNetlinkDrops(-1), { code: 'EBADF' });
    assert.throws(() => native.readNetlink(-1, Buffer.alloc(8), 8), { code: 'EBADF' });
    assert.equal(native.readNetlink(-1, Buffer.alloc(8), 9), 0);
    assert.throws(() => native.setNetlinkOptions('1' as unknown as number, 1, 1), TypeError);
  });
});
