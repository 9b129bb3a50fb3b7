// Counts what is done between two turns of the event loop. Test code: nothing in the product imports it.
export class TurnMeter {
  /** Most items of a turn so far. */
  most = 0;
  #inTurn = 0;
  #isScheduled = false;

  count(items: number): void {
    this.#inTurn += items;
    this.most = Math.max(this.most, this.#inTurn);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Runs before the next slice, whose immediate is later.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#inTurn = 0;
    });
  }
}
