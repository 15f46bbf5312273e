// The microphone's end of the engine. In: { port } through its own port, once,
// then "stop". Out: mono blocks of at most 2048 samples, Float32Array, through
// that port; and "stopped" through its own, after the last of them.

const BLOCK = 2048;

registerProcessor("needledrop-capture", class extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;
  #out = null;
  #stopped = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data === "stop") this.#stop();
      else this.#out = data.port;
    };
  }

  process([channels]) {
    const frames = this.#out && channels.length > 0 ? channels[0].length : 0;
    for (let frame = 0; frame < frames; frame += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[frame];
      this.#block[this.#filled] = sum / channels.length;
      this.#filled += 1;
      if (this.#filled === BLOCK) this.#send();
    }
    return !this.#stopped;
  }

  #send() {
    const samples = this.#block.slice(0, this.#filled);
    this.#out.postMessage(samples, [samples.buffer]);
    this.#filled = 0;
  }

  #stop() {
    if (this.#out && this.#filled > 0) this.#send();
    this.#out = null;
    this.#stopped = true;
    this.port.postMessage("stopped");
  }
});
