"use strict";
(() => {
  const NARROW = 640, ROOM = 0.1;
  const looks = JSON.parse(document.getElementById("interactive-looks").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)"), coarse = matchMedia("(pointer: coarse)");

  function configOf(figure, narrow) {
    const back = figure.layout.scene ? "resetCameraDefault3d" : "resetScale2d";
    return {
      displaylogo: false, responsive: true, scrollZoom: false, plotlyServerURL: "",
      displayModeBar: narrow ? false : "hover", modeBarButtons: [["toImage", back]],
    };
  }

  const axis = (name, place) => name + (place ? place + 1 : "");

  // Panels that are side by side on a wide page stand one above the other on a narrow one.
  function stack(layout) {
    const number = (layout.meta || {}).stacked || 1;
    if (number < 2) return;
    const each = (1 - ROOM * (number - 1)) / number;
    for (let place = 0; place < number; place++) {
      const top = 1 - place * (each + ROOM), whole = [Math.max(top - each, 0), top];
      const scene = layout[axis("scene", place)];
      if (scene) {
        scene.domain = {x: [0, 1], y: whole};
        Object.assign(layout.annotations[place], {x: 0.5, y: top});
      } else {
        Object.assign(layout[axis("xaxis", place)], {domain: [0, 1], anchor: axis("y", place)});
        Object.assign(layout[axis("yaxis", place)], {domain: whole, anchor: axis("x", place)});
      }
    }
    delete layout.grid;
    layout.height = 320 * number + (layout.sliders && layout.sliders.length ? 110 : 60);
  }

  function layoutOf(figure, width) {
    const layout = structuredClone(figure.layout);
    layout.template = dark.matches ? looks.dark : looks.light;
    if (width < NARROW) {
      stack(layout);
      for (const menu of layout.updatemenus || []) Object.assign(menu, {type: "dropdown", direction: "down"});
    }
    if (coarse.matches) layout.dragmode = layout.scene ? "turntable" : false;
    return layout;
  }

  function draw(place) {
    const figure = JSON.parse(document.getElementById(place.id + "-data").textContent);
    let narrow = place.clientWidth < NARROW;
    const layout = layoutOf(figure, place.clientWidth);
    place.style.minHeight = "";
    Plotly.newPlot(place, {data: figure.data, layout, frames: figure.frames || [], config: configOf(figure, narrow)});
    const again = () => Plotly.react(place, structuredClone(figure.data), layoutOf(figure, place.clientWidth), configOf(figure, narrow));
    dark.addEventListener("change", again);
    addEventListener("resize", () => {
      if (narrow === place.clientWidth < NARROW) return;
      narrow = !narrow;
      again();
    });
  }

  // A figure is drawn when it comes near: a page may hold many.
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watch.unobserve(entry.target);
      draw(entry.target);
    }
  }, {rootMargin: "400px"});
  document.querySelectorAll(".interactive").forEach((place) => watch.observe(place));
})();
