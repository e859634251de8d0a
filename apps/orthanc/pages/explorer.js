// Added to Orthanc Explorer (jQuery Mobile, jQuery 1.7): ways to Myelin's own pages.
(function () {
  "use strict";

  function page(name) {
    return "../myelin/pages/" + name;
  }

  function button(id, text, icon, go) {
    $("#" + id).remove();
    return $("<a>").attr("id", id).attr("data-role", "button").attr("href", "#").attr("data-icon", icon)
      .attr("data-theme", "b").text(text).click(function (event) {
        event.preventDefault();
        window.location.assign(go());
      });
  }

  function study(name) {
    return function () {
      return page(name) + "?study=" + encodeURIComponent($.mobile.pageData.uuid);
    };
  }

  $("#study").live("pagebeforeshow", function () {
    var forward = button("myelin-forward", "Forward to a colleague", "forward", study("study.html"));
    var view = button("myelin-view", "Look at the images", "search", study("viewer.html"));
    forward.insertAfter($("#study-info")).button();
    view.insertAfter($("#study-info")).button();
  });

  $("#lookup").live("pagebeforeshow", function () {
    var shared = button("myelin-shared", "Shared with me", "star", function () { return page("shared.html"); });
    var storage = button("myelin-storage", "Storage", "grid", function () { return page("storage.html"); });
    shared.attr("data-inline", "true").insertBefore($("#lookup-form")).button();
    storage.attr("data-inline", "true").insertBefore($("#lookup-form")).button();
  });
})();
