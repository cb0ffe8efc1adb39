"use strict";
// The scrubber: one line through all charts, and under each schedule what was going on at that moment.
(() => {
  const data = JSON.parse(document.getElementById("schedules").textContent);
  const bar = document.getElementById("scrubber");
  const label = bar.querySelector("output");
  const readouts = [...document.querySelectorAll(".readout")];
  const cursors = [...document.querySelectorAll(".cursor")];
  const charts = [...document.querySelectorAll("svg")];
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = 1000;
  slider.value = 0;
  slider.setAttribute("aria-label", "moment of the episode");
  bar.append(slider);

  const hours = (seconds) => (seconds >= 360 ? `${(seconds / 3600).toFixed(1)} h` : `${seconds.toFixed(0)} s`);

  // The value of a quantity that jumps: that of the last time not after the moment.
  const valueAt = ([times, values], moment) => {
    let low = 0;
    let high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= moment) low = middle;
      else high = middle - 1;
    }
    return values[low];
  };

  const job = (schedule, number) => {
    const [submit, start, run] = [schedule.submit[number], schedule.start[number], schedule.run[number]];
    return `job ${number}: ${schedule.width[number]} GPUs, priority ${schedule.priority[number]}, arrived ${hours(submit)}, ` +
      `waited ${hours(start - submit)}, ran ${hours(run)}`;
  };

  const show = (moment, pointed) => {
    const x = data.left + (moment / data.end) * data.plot;
    for (const cursor of cursors) {
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    document.body.classList.add("reading");
    label.textContent = hours(moment);
    slider.value = (1000 * moment) / data.end;
    data.schedules.forEach((schedule, number) => {
      const running = schedule.start.filter((start, j) => start !== null && start <= moment && moment < start + schedule.run[j]);
      const text = `${valueAt(schedule.queue, moment)} waiting, ${running.length} running on ` +
        `${valueAt(schedule.busy, moment)} of ${schedule.gpus} GPUs`;
      readouts[number].textContent = pointed ? `${text}; ${job(schedule, pointed)}` : text;
    });
  };

  slider.addEventListener("input", () => show((Number(slider.value) / 1000) * data.end));
  for (const svg of charts) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const share = (((event.clientX - box.left) / box.width) * data.width - data.left) / data.plot;
      const pointed = event.target.dataset.job;
      for (const old of document.querySelectorAll("rect.shown")) old.classList.remove("shown");
      // the same job in both schedules
      if (pointed) for (const box of document.querySelectorAll(`rect[data-job="${pointed}"]`)) box.classList.add("shown");
      show(Math.min(Math.max(share, 0), 1) * data.end, pointed);
    });
  }
})();
